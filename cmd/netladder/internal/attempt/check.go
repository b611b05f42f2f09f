// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package attempt

import (
	"errors"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// LabelManagedBy and ManagedBy mark what the plugin makes.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "kubectl-netladder"
)

// PathName of the only path of a check that tries one.
const PathName = "path"

// The pace of a check that somebody waits for.
const (
	interval = 2 * time.Second
	timeout  = 900 * time.Millisecond
)

// Plan is what is to be tried, all of it looked up.
type Plan struct {
	// From and To as they were written, with what they mean: Labels of pods
	// selected, also where a name was written, or of a node.
	From, To End
	// Namespace of the command, and Home, which is Netladder's own.
	Namespace, Home string
	// Expect is Allow or Deny; HTTP is the path of a request, empty for none.
	Expect v1alpha1.Expectation
	HTTP   string
	// TTL after which the check is to be deleted, whoever made it.
	TTL time.Duration
}

// pods is true for an end that is pods, by whatever name.
func (e *End) pods() bool {
	switch e.Kind {
	case Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, Selector, AllPods:
		return true
	}
	return false
}

// In is the namespace of an end.
func (e *End) In(namespace string) string {
	if e.Namespace != "" {
		return e.Namespace
	}
	return namespace
}

// Where the check has to stand: Netladder's own namespace lets it start
// anywhere, any other in its own pods, or in probers that aim at its own pods.
func (p *Plan) Where() string {
	switch {
	case p.From.pods():
		return p.From.In(p.Namespace)
	case p.From.Kind == Probers && p.To.pods():
		return p.To.In(p.Namespace)
	}
	return p.Home
}

// Check that tries it.
func (p *Plan) Check(name string) (*v1alpha1.ConnectivityCheck, error) {
	where := p.Where()
	path := v1alpha1.Path{Name: PathName, From: p.From.source(), To: p.To.target(where, p.Namespace), Expect: p.Expect}
	if p.HTTP != "" {
		path.HTTP = &v1alpha1.HTTPLayer{Path: p.HTTP}
	}
	switch {
	case p.Expect == v1alpha1.ExpectDeny && p.HTTP != "":
		return nil, errors.New("--expect deny is about the connection itself: leave out --http")
	case path.To.Mesh != nil && path.From.Probers == nil:
		return nil, errors.New("mesh is about the pod network of the nodes: write probers as FROM")
	}
	return &v1alpha1.ConnectivityCheck{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ConnectivityCheck"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: where, Name: name,
			Labels:      map[string]string{LabelManagedBy: ManagedBy},
			Annotations: map[string]string{v1alpha1.AnnotationTTL: p.TTL.String()},
		},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: interval}, Timeout: &metav1.Duration{Duration: timeout},
			FailureThreshold: 2, SuccessThreshold: 1,
			// Somebody is looking at it: nobody has to be paged.
			Severity: v1alpha1.SeverityNone,
			Paths:    []v1alpha1.Path{path},
		},
	}, nil
}

func (e *End) source() v1alpha1.Source {
	switch e.Kind {
	case Probers:
		return v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}
	case Node, Nodes:
		return v1alpha1.Source{Nodes: &v1alpha1.NodesSource{NodeSelector: e.Labels}}
	}
	return v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: e.Labels}}
}

func (e *End) target(where, namespace string) v1alpha1.Target {
	in := e.In(namespace)
	switch e.Kind {
	case Service:
		to := &v1alpha1.ServiceTarget{Name: e.Name, Port: e.Port, Protocol: e.Protocol}
		if in != where {
			to.Namespace = in
		}
		return v1alpha1.Target{Service: to}
	case Node, Nodes:
		return v1alpha1.Target{Nodes: &v1alpha1.NodesTarget{NodeSelector: e.Labels, Port: e.Port.IntVal, Protocol: e.Protocol}}
	case DNS:
		return v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: e.Name, Type: e.Type}}
	case APIServer:
		return v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}
	case Mesh:
		return v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{}}
	case Host:
		to := &v1alpha1.HostTarget{Hostname: e.Name, Port: e.Port.IntVal, Protocol: e.Protocol}
		if ip, err := netip.ParseAddr(e.Name); err == nil {
			to.Hostname, to.IP = "", ip.String()
		}
		return v1alpha1.Target{Host: to}
	}
	to := &v1alpha1.PodsTarget{Port: e.Port, Protocol: e.Protocol}
	if e.Labels != nil {
		to.PodSelector = *e.Labels
	}
	if in != where {
		to.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: in}}
	}
	return v1alpha1.Target{Pods: to}
}
