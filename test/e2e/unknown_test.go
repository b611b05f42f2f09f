// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// A path that cannot be probed says which object is missing, and its
// neighbours are probed all the same.
func TestUnknownPathsNameTheirObject(t *testing.T) {
	const sound = "sound"
	anywhere := v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}
	nowhere := v1alpha1.Source{Probers: &v1alpha1.ProbersSource{
		NodeSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"rack": "none-such"}},
	}}
	service := func(namespace, name string, port intstr.IntOrString) v1alpha1.Target {
		return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: namespace, Name: name, Port: port}}
	}
	mesh := v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{}}
	create(t, namespace, "partly-wrong",
		v1alpha1.Path{Name: sound, From: anywhere, To: mesh},
		v1alpha1.Path{Name: "no-node", From: nowhere, To: mesh},
		v1alpha1.Path{Name: "no-service", From: anywhere, To: service("default", "none-such", intstr.FromInt32(80))},
		v1alpha1.Path{Name: "no-port", From: anywhere, To: service("default", "kubernetes", intstr.FromInt32(4711))},
	)
	create(t, "default", "not-permitted", v1alpha1.Path{Name: "mesh", From: anywhere, To: mesh})

	for _, want := range []struct{ namespace, check, path, reason, names string }{
		{namespace, "partly-wrong", "no-node", v1alpha1.ReasonNoSources, "rack=none-such"},
		{namespace, "partly-wrong", "no-service", v1alpha1.ReasonServiceNotFound, "default/none-such"},
		{namespace, "partly-wrong", "no-port", v1alpha1.ReasonPortNotFound, "4711"},
		{"default", "not-permitted", "mesh", v1alpha1.ReasonSourceNotPermitted, namespace},
	} {
		// What is new may find its nodes within 30 s.
		eventually(t, time.Minute, want.path+" is Unknown", func(ctx context.Context) error {
			check := &v1alpha1.ConnectivityCheck{}
			if err := kube.Get(ctx, client.ObjectKey{Namespace: want.namespace, Name: want.check}, check); err != nil {
				return err
			}
			p := pathOf(check, want.path)
			if p == nil || p.State != v1alpha1.StateUnknown || p.Reason != want.reason || !strings.Contains(p.Message, want.names) {
				return fmt.Errorf("%+v, want Unknown with reason %s and a message that names %s", p, want.reason, want.names)
			}
			return nil
		})
	}
	eventually(t, 30*time.Second, "the sound path passes beside them", func(ctx context.Context) error {
		check, err := getCheck(ctx, "partly-wrong")
		if err != nil {
			return err
		}
		if p := pathOf(check, sound); p == nil || p.State != v1alpha1.StatePassing {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
}

// What cannot be right is refused when it is applied.
func TestRefusedAtApply(t *testing.T) {
	path := func(name string) v1alpha1.Path {
		return v1alpha1.Path{
			Name: name, From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}},
			To: v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{}},
		}
	}
	for name, c := range map[string]struct {
		spec v1alpha1.ConnectivityCheckSpec
		says string
	}{
		"timeout": {v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: 2 * time.Second}, Timeout: &metav1.Duration{Duration: 2 * time.Second},
			Paths: []v1alpha1.Path{path("a")},
		}, "timeout must be below interval"},
		"interval": {v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: time.Millisecond}, Paths: []v1alpha1.Path{path("a")},
		}, "interval must be a duration from 1s to 1h"},
		"two-targets": {v1alpha1.ConnectivityCheckSpec{Paths: []v1alpha1.Path{func() v1alpha1.Path {
			p := path("a")
			p.To.APIServer = &v1alpha1.APIServerTarget{}
			return p
		}()}}, "set exactly one of"},
		"path-name": {v1alpha1.ConnectivityCheckSpec{Paths: []v1alpha1.Path{path("Not_A_Label")}}, "name must consist of lower case"},
		"too-many-paths": {v1alpha1.ConnectivityCheckSpec{Paths: func() (paths []v1alpha1.Path) {
			for i := range 65 {
				paths = append(paths, path(fmt.Sprintf("p%d", i)))
			}
			return paths
		}()}, "must have at most 64 items"},
	} {
		t.Run(name, func(t *testing.T) {
			check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: c.spec}
			err := kube.Create(t.Context(), check, client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("answer is %v, want one that says %q", err, c.says)
			}
		})
	}
}
