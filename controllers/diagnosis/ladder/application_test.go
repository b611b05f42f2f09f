// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder_test

import (
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// An address says little to who looks after the application: its Service is
// named, where it is one.
func TestApplicationNamesTheService(t *testing.T) {
	p := &ladder.Pair{Kind: v1alpha1.ProbeHTTP, Verdict: v1alpha1.VerdictProtocolError, Text: "HTTP status 503", Target: "10.96.0.20:80"}
	f := ladder.Diagnose(p)
	if f.Rung != v1alpha1.RungApplication || f.Object != p.Target {
		t.Errorf("an address: %+v", f)
	}
	p.Service = &ladder.Service{Name: "shop/api", Ready: 1}
	for verdict, reason := range map[v1alpha1.Verdict]string{
		v1alpha1.VerdictProtocolError: v1alpha1.ReasonUnexpectedAnswer, v1alpha1.VerdictTLSError: v1alpha1.ReasonTLSFailed,
	} {
		p.Verdict = verdict
		f := ladder.Diagnose(p)
		if f.Reason != reason || f.Object != "Service shop/api" || !strings.HasPrefix(f.Text, "Service shop/api answers") || !strings.Contains(f.Text, p.Text) {
			t.Errorf("%s: %+v", verdict, f)
		}
	}
}
