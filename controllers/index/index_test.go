// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/test/builders"
)

func slice(conditions ...discoveryv1.EndpointConditions) *discoveryv1.EndpointSlice {
	s := builders.MakeEndpointSlice("shop", "db", 5432)
	for i, c := range conditions {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0." + string(rune('1'+i))}, Conditions: c})
	}
	return s
}

func TestService(t *testing.T) {
	ready := discoveryv1.EndpointConditions{Ready: ptr.To(true)}
	unready := discoveryv1.EndpointConditions{Ready: ptr.To(false), Serving: ptr.To(false)}
	leaving := discoveryv1.EndpointConditions{Ready: ptr.To(false), Serving: ptr.To(true), Terminating: ptr.To(true)}
	unset := discoveryv1.EndpointConditions{}
	named := func(name *string, protocol *corev1.Protocol, port *int32) *discoveryv1.EndpointSlice {
		s := slice(ready)
		s.Ports[0] = discoveryv1.EndpointPort{Name: name, Protocol: protocol, Port: port}
		return s
	}
	for name, c := range map[string]struct {
		slices []*discoveryv1.EndpointSlice
		want   []string
	}{
		"none":                        {nil, nil},
		"ready and not":               {[]*discoveryv1.EndpointSlice{slice(unready, ready)}, []string{"10.0.0.2:5432"}},
		"unset means ready":           {[]*discoveryv1.EndpointSlice{slice(unset)}, []string{"10.0.0.1:5432"}},
		"ready before leaving":        {[]*discoveryv1.EndpointSlice{slice(leaving, ready)}, []string{"10.0.0.2:5432"}},
		"leaving where none is ready": {[]*discoveryv1.EndpointSlice{slice(leaving, unready)}, []string{"10.0.0.1:5432"}},
		"twice the same":              {[]*discoveryv1.EndpointSlice{slice(ready), slice(ready, ready)}, []string{"10.0.0.1:5432", "10.0.0.2:5432"}},
		"no port name":                {[]*discoveryv1.EndpointSlice{named(nil, nil, ptr.To[int32](1))}, []string{"10.0.0.1:1"}},
		"another port":                {[]*discoveryv1.EndpointSlice{named(ptr.To("x"), nil, ptr.To[int32](1))}, nil},
		"UDP":                         {[]*discoveryv1.EndpointSlice{named(nil, ptr.To(corev1.ProtocolUDP), ptr.To[int32](1))}, nil},
		"all ports":                   {[]*discoveryv1.EndpointSlice{named(nil, nil, nil)}, nil},
	} {
		s := index.Service(builders.MakeService("shop", "db", 5432), c.slices)
		var got []string
		for _, e := range s.Ports[0].Endpoints {
			got = append(got, e.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestServiceKinds(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*corev1.Service)
		headless bool
		external string
		ips      int
	}{
		"dual": {
			change: func(s *corev1.Service) {
				s.Spec.ClusterIP, s.Spec.ClusterIPs = "10.1.0.1", []string{"10.1.0.1", "fd00::1"}
			},
			ips: 2,
		},
		"headless": {
			change:   func(s *corev1.Service) { s.Spec.ClusterIP, s.Spec.ClusterIPs = "None", []string{"None"} },
			headless: true,
		},
		"external": {
			change: func(s *corev1.Service) {
				s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "db.example.com"
			},
			external: "db.example.com",
		},
		"none yet": {change: func(*corev1.Service) {}},
	} {
		service := builders.MakeService("shop", "db", 5432)
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "sctp", Port: 53, Protocol: corev1.ProtocolSCTP})
		c.change(service)
		got := index.Service(service, nil)
		if got.Headless != c.headless || got.ExternalName != c.external || len(got.ClusterIPs) != c.ips || len(got.Ports) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCurrentPod(t *testing.T) {
	now := time.Now()
	pod := func(name string, age time.Duration) *builders.Pod {
		return builders.MakeEchoPod(name, "n").UID(name).CreatedAt(now.Add(-age))
	}
	old, young := pod("old", time.Hour), pod("young", time.Minute)
	serving := pod("serving", time.Hour).Ready(corev1.ConditionTrue, now)
	for name, c := range map[string]struct {
		pods []*corev1.Pod
		want string
	}{
		"none":                     {nil, ""},
		"the younger":              {[]*corev1.Pod{old.Obj(), young.Obj()}, "young"},
		"not before it is Ready":   {[]*corev1.Pod{serving.Obj(), pod("pulling", 0).Ready(corev1.ConditionFalse, now).Obj()}, "serving"},
		"once it is Ready":         {[]*corev1.Pod{serving.Obj(), pod("next", 0).Ready(corev1.ConditionTrue, now).Obj()}, "next"},
		"Ready or not, it stays":   {[]*corev1.Pod{pod("leaving", time.Hour).Ready(corev1.ConditionTrue, now).Terminating(now).Obj(), young.Obj()}, "young"},
		"the one that stays":       {[]*corev1.Pod{old.Obj(), pod("leaving", 0).Terminating(now).Obj()}, "old"},
		"the one that is left":     {[]*corev1.Pod{pod("leaving", 0).Terminating(now).Obj()}, "leaving"},
		"not one that ended":       {[]*corev1.Pod{old.Obj(), pod("evicted", 0).Phase(corev1.PodFailed).Obj()}, "old"},
		"an ended one before none": {[]*corev1.Pod{pod("evicted", 0).Phase(corev1.PodFailed).Obj()}, "evicted"},
	} {
		for range 2 {
			got := ""
			if p := index.Current(c.pods); p != nil {
				got = p.Name
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
			for i, j := 0, len(c.pods)-1; i < j; i, j = i+1, j-1 {
				c.pods[i], c.pods[j] = c.pods[j], c.pods[i]
			}
		}
	}
}

func TestPodFacts(t *testing.T) {
	created, started, ready := time.Unix(100, 0), time.Unix(200, 0), time.Unix(300, 0)
	p := builders.MakeProberPod("p", "n").UID("u").CreatedAt(created).Ready(corev1.ConditionTrue, ready).Obj()
	if got := index.Pod(p); !got.StartedAt.Equal(created) || !got.Ready || !got.ReadySince.Equal(ready) || got.UID != "u" || got.Terminating {
		t.Errorf("%+v", got)
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}}},
	}
	p.Status.Conditions[0].Status = corev1.ConditionFalse
	if got := index.Pod(p); !got.StartedAt.Equal(started) || got.Ready || !got.ReadySince.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestEchoNeedsAnIP(t *testing.T) {
	if got := index.Echo(builders.MakeEchoPod("e", "n").IPs().Obj()); got != nil {
		t.Errorf("%+v", got)
	}
	if got := index.Echo(builders.MakeEchoPod("e", "n").IPs("nonsense", "10.0.0.1", "fd00::1").Obj()); got == nil || len(got.IPs) != 2 {
		t.Errorf("%+v", got)
	}
}

// TestTrimKeepsWhatIsRead trims objects and reads them as the controller does.
func TestTrimKeepsWhatIsRead(t *testing.T) {
	trim := func(in any) any {
		out, err := index.Trim(in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	same := func(what string, before, after any) {
		t.Helper()
		if diff := cmp.Diff(before, after, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			t.Errorf("%s (-before +after):\n%s", what, diff)
		}
	}
	pod := builders.MakeEchoPod("e", "n").IPs("10.0.0.1").Ready(corev1.ConditionTrue, time.Unix(300, 0)).Obj()
	pod.Annotations = map[string]string{"a": "b"}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Unix(200, 0)}}},
	}
	facts, echo := index.Pod(pod), index.Echo(pod)
	pod = trim(pod).(*corev1.Pod)
	same("pod", facts, index.Pod(pod))
	same("echo", echo.UID, index.Echo(pod).UID)
	if pod.Spec.NodeName != "n" || pod.Annotations != nil || pod.Spec.Containers != nil {
		t.Errorf("%+v", pod)
	}

	node := builders.MakeNode("n").Ready(corev1.ConditionTrue, time.Unix(5, 0)).Obj()
	node.Status.Images = []corev1.ContainerImage{{SizeBytes: 1}}
	node.Status.Conditions[0].LastHeartbeatTime = metav1.Now()
	node = trim(node).(*corev1.Node)
	if ready, since := index.NodeReady(node); !ready || !since.Equal(time.Unix(5, 0)) {
		t.Errorf("Ready %t since %v", ready, since)
	}
	if node.Status.Images != nil || !node.Status.Conditions[0].LastHeartbeatTime.IsZero() || node.Labels[corev1.LabelHostname] != "n" {
		t.Errorf("%+v", node)
	}

	service, endpointSlice := builders.MakeService("shop", "db", 1), builders.MakeEndpointSlice("shop", "db", 1, "10.0.0.1")
	service.Spec.ClusterIP, service.Spec.Selector = "10.1.1.1", map[string]string{"a": "b"}
	service.Spec.Type, service.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
	service.Spec.Ports[0].NodePort = 30080
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{
		{IP: "192.0.2.1", IPMode: ptr.To(corev1.LoadBalancerIPModeProxy), Ports: []corev1.PortStatus{{Port: 1}}}, {Hostname: "lb.example.com"},
	}
	endpointSlice.Endpoints[0].TargetRef, endpointSlice.Endpoints[0].NodeName = &corev1.ObjectReference{Name: "x"}, ptr.To("node1")
	service.Spec.InternalTrafficPolicy, service.Spec.SessionAffinity = ptr.To(corev1.ServiceInternalTrafficPolicyLocal), corev1.ServiceAffinityClientIP
	endpointSlice.Endpoints = append(endpointSlice.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(false)}})
	before := index.ServiceFacts(service, []*discoveryv1.EndpointSlice{endpointSlice})
	if !before.Local || !before.Sticky || before.NotReadyCount != 1 || before.Selector["a"] != "b" {
		t.Errorf("%+v", before)
	}
	service, endpointSlice = trim(service).(*corev1.Service), trim(endpointSlice).(*discoveryv1.EndpointSlice)
	same("service", before, index.ServiceFacts(service, []*discoveryv1.EndpointSlice{endpointSlice}))
	if len(before.Ingress) != 1 || len(before.IngressNames) != 1 || !before.LoadBalancer || len(before.Ports[0].Nodes) != 1 || before.Ports[0].NodePort != 30080 {
		t.Errorf("%+v", before)
	}
	if service.Status.LoadBalancer.Ingress[0].IPMode != nil || service.Status.LoadBalancer.Ingress[0].Ports != nil {
		t.Errorf("%+v", service.Status)
	}
	if endpointSlice.Endpoints[0].TargetRef != nil {
		t.Errorf("%+v", endpointSlice)
	}

	all := map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "long", v1alpha1.AnnotationSilence: "SelectsNoPod"}
	for _, key := range append(policy.ManagedAnnotations(), policy.ManagedLabels()...) {
		all[key] = "shop"
	}
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
		Namespace: "commerce", Name: "a", UID: "u", Generation: 3, Labels: maps.Clone(all), Annotations: maps.Clone(all), Finalizers: []string{"x"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x"}},
	}}
	np.Spec.PodSelector.MatchLabels = map[string]string{"app": "db"}
	managed, spec := policy.ManagedBy(np), np.Spec.DeepCopy()
	np = trim(np).(*networkingv1.NetworkPolicy)
	same("manager", managed, policy.ManagedBy(np))
	same("policy", *spec, np.Spec)
	if np.UID != "u" || np.Generation != 3 || np.Annotations[v1alpha1.AnnotationSilence] == "" || len(np.Annotations) != 5 || len(np.Labels) != 6 ||
		np.Finalizers != nil || np.ManagedFields != nil {
		t.Errorf("%+v", np.ObjectMeta)
	}
	namespace := trim(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}, Annotations: maps.Clone(all)}}).(*corev1.Namespace)
	if len(namespace.Annotations) != 1 || namespace.Labels["a"] != "b" {
		t.Errorf("%+v", namespace.ObjectMeta)
	}

	tombstone := cache.DeletedFinalStateUnknown{Key: "x"}
	same("tombstone", tombstone, trim(tombstone))
}

func TestAPIServers(t *testing.T) {
	s := builders.MakeEndpointSlice("default", "kubernetes", 6443, "10.0.0.2", "10.0.0.1")
	s.Ports[0].Name = ptr.To("https")
	v6 := builders.MakeEndpointSlice("default", "kubernetes", 6443, "fd00::1")
	v6.Ports[0].Name, v6.AddressType = ptr.To("https"), discoveryv1.AddressTypeIPv6
	want := []string{"10.0.0.1:6443", "10.0.0.2:6443", "[fd00::1]:6443"}
	if diff := cmp.Diff(want, index.APIServers([]*discoveryv1.EndpointSlice{v6, s})); diff != "" {
		t.Error(diff)
	}
}
