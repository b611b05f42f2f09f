// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builders makes objects for tests, with what a test does not care
// about filled in: MakeCheck("x").Path("p", ToMesh(...)).Obj().
package builders

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Check builds a ConnectivityCheck.
type Check struct{ check v1alpha1.ConnectivityCheck }

// MakeCheck begins a check in the namespace "default", with the defaults that
// the API server would fill in.
func MakeCheck(name string) *Check {
	return &Check{check: v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval:         metav1.Duration{Duration: 10 * time.Second},
			FailureThreshold: 2,
			SuccessThreshold: 1,
			Severity:         v1alpha1.SeverityWarning,
		},
	}}
}

// Namespace of the check.
func (b *Check) Namespace(namespace string) *Check {
	b.check.Namespace = namespace
	return b
}

// UID of the check, for tests without an API server.
func (b *Check) UID(uid string) *Check {
	b.check.UID = types.UID(uid)
	return b
}

// Severity of the check.
func (b *Check) Severity(s v1alpha1.Severity) *Check {
	b.check.Spec.Severity = s
	return b
}

// Suspend the check.
func (b *Check) Suspend() *Check {
	b.check.Spec.Suspend = true
	return b
}

// Path adds a path from all probers.
func (b *Check) Path(name string, to v1alpha1.Target) *Check {
	return b.PathFrom(name, nil, to)
}

// PathFrom adds a path from the probers of the nodes with these labels.
func (b *Check) PathFrom(name string, nodeLabels map[string]string, to v1alpha1.Target) *Check {
	probers := &v1alpha1.ProbersSource{}
	if nodeLabels != nil {
		probers.NodeSelector = &metav1.LabelSelector{MatchLabels: nodeLabels}
	}
	expect := v1alpha1.ExpectAllow
	if to.Canary != nil {
		expect = v1alpha1.ExpectDeny
	}
	b.check.Spec.Paths = append(b.check.Spec.Paths, v1alpha1.Path{
		Name: name, From: v1alpha1.Source{Probers: probers}, To: to, Expect: expect,
	})
	return b
}

// Declare adds a path from and to whatever, expected to work.
func (b *Check) Declare(name string, from v1alpha1.Source, to v1alpha1.Target) *Check {
	b.check.Spec.Paths = append(b.check.Spec.Paths, v1alpha1.Path{Name: name, From: from, To: to, Expect: v1alpha1.ExpectAllow})
	return b
}

// Deny makes the last path one that must be blocked.
func (b *Check) Deny() *Check {
	b.check.Spec.Paths[len(b.check.Spec.Paths)-1].Expect = v1alpha1.ExpectDeny
	return b
}

// FromPods starts in the pods of the check's namespace with these labels; nil
// is all of them.
func FromPods(podLabels map[string]string) v1alpha1.Source {
	return v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: &metav1.LabelSelector{MatchLabels: podLabels}}}
}

// ToPods aims at a TCP port of the pods with these labels, in the check's
// namespace, or with namespaceLabels in the namespaces that have them.
func ToPods(namespaceLabels, podLabels map[string]string, port int) v1alpha1.Target {
	to := &v1alpha1.PodsTarget{PodSelector: metav1.LabelSelector{MatchLabels: podLabels}, Port: intstr.FromInt(port)}
	if namespaceLabels != nil {
		to.NamespaceSelector = &metav1.LabelSelector{MatchLabels: namespaceLabels}
	}
	return v1alpha1.Target{Pods: to}
}

// ToHost aims at a TCP port of an address.
func ToHost(ip string, port int32) v1alpha1.Target {
	return v1alpha1.Target{Host: &v1alpha1.HostTarget{IP: ip, Port: port}}
}

// Obj is the check.
func (b *Check) Obj() *v1alpha1.ConnectivityCheck { return b.check.DeepCopy() }

// ToMesh aims at echo pods; without protocols by TCP.
func ToMesh(scope v1alpha1.MeshScope, protocols ...v1alpha1.MeshProtocol) v1alpha1.Target {
	if len(protocols) == 0 {
		protocols = []v1alpha1.MeshProtocol{v1alpha1.MeshTCP}
	}
	return v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{Scope: scope, Protocols: protocols}}
}

// ToService aims at a port of a Service in the check's namespace.
func ToService(name string, port int) v1alpha1.Target {
	return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: name, Port: intstr.FromInt(port)}}
}

// ToDNS asks for the A record of a name by UDP.
func ToDNS(name string) v1alpha1.Target {
	return v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: name, Type: v1alpha1.DNSTypeA, Transport: v1alpha1.DNSOverUDP}}
}

// ToCanary aims at the canary pods.
func ToCanary(direction v1alpha1.PolicyDirection) v1alpha1.Target {
	return v1alpha1.Target{Canary: &v1alpha1.CanaryTarget{Direction: direction}}
}

// ToAPIServer aims at the API server.
func ToAPIServer() v1alpha1.Target {
	return v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}
}
