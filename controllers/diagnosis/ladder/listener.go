// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// listener: the target itself says that nothing listens there. Behind a Service
// it has to be an endpoint that says so: rules that lead astray refuse too.
func listener(p *Pair) *Finding {
	if p.Verdict != v1alpha1.VerdictRefused || p.isDNS() || p.Kind == v1alpha1.ProbeTunnel || p.Kind == v1alpha1.ProbeIPIP {
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungListener, Reason: v1alpha1.ReasonNothingListens, Object: p.Target}
	if p.Service == nil {
		f.Text = p.Target + " refuses: nothing listens there; see whether its process runs, and on which address and port"
		return f
	}
	var names []string
	for i := range p.Service.Endpoints {
		if e := &p.Service.Endpoints[i]; e.Seen.Fact == Fails && e.Seen.Verdict == v1alpha1.VerdictRefused {
			names = append(names, e.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	f.Object = p.Service.Name
	f.Text = "behind Service " + p.Service.Name + " " + words.Plural(len(names), names[0]+" refuses", strings.Join(names, " and ")+" refuse") +
		": nothing listens there; see whether the process runs, and on which address and port"
	return f
}
