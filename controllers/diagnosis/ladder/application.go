// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// application: what is asked answers, so that the network is well.
func application(p *Pair) *Finding {
	if p.isDNS() {
		return nil
	}
	target := p.Target
	if p.Service != nil && p.Service.Name != "" {
		target = "Service " + p.Service.Name
	}
	f := &Finding{Rung: v1alpha1.RungApplication, Object: target}
	switch p.Verdict {
	case v1alpha1.VerdictProtocolError:
		f.Reason, f.Text = v1alpha1.ReasonUnexpectedAnswer, target+" answers, and not as it should"
	case v1alpha1.VerdictTLSError:
		f.Reason, f.Text = v1alpha1.ReasonTLSFailed, target+" answers, and its TLS fails"
	default:
		return nil
	}
	if p.Text != "" {
		f.Text += ": " + p.Text
	}
	f.Text += ": see its log; the network is well"
	return f
}
