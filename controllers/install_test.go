// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

func (h *cluster) daemonSet(name string) (*appsv1.DaemonSet, error) {
	var d appsv1.DaemonSet
	return &d, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.namespace, Name: name}, &d)
}

func (h *cluster) installed() {
	h.t.Helper()
	h.eventually("DaemonSets", func() error {
		_, prober := h.daemonSet(v1alpha1.ProberName)
		_, echo := h.daemonSet(v1alpha1.EchoName)
		_, canary := h.daemonSet(v1alpha1.CanaryName)
		return errors.Join(prober, echo, canary)
	})
}

func TestDaemonSetsAreOwnedAndRestricted(t *testing.T) {
	h := newCluster(t)
	h.options.PriorityClassName = "" // none exists here
	h.options.NodeSelector = map[string]string{"netladder": "yes"}
	h.start()
	h.installed()
	var owner appsv1.Deployment
	must(t, h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: "netladder-controller"}, &owner))

	restricted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "restricted-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	h.create(restricted)
	for _, name := range []string{v1alpha1.ProberName, v1alpha1.EchoName, v1alpha1.CanaryName} {
		h.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: restricted.Name, Name: name}})
		d, err := h.daemonSet(name)
		must(t, err)
		if len(d.OwnerReferences) != 1 || d.OwnerReferences[0].UID != owner.UID {
			t.Errorf("%s is owned by %v, want the Deployment", name, d.OwnerReferences)
		}
		if d.Spec.Template.Spec.NodeSelector["netladder"] != "yes" {
			t.Errorf("%s selects nodes by %v", name, d.Spec.Template.Spec.NodeSelector)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: restricted.Name, Name: name, Labels: d.Spec.Template.Labels},
			Spec:       d.Spec.Template.Spec,
		}
		if err := h.client.Create(t.Context(), pod); err != nil {
			t.Errorf("a pod of %s is not admitted: %v", name, err)
		}
		pod = pod.DeepCopy()
		pod.ObjectMeta = metav1.ObjectMeta{Namespace: restricted.Name, Name: name + "-loose"}
		pod.Spec.SecurityContext.RunAsNonRoot = ptr.To(false)
		if err := h.client.Create(t.Context(), pod); err == nil {
			t.Errorf("this namespace admits anything, so it proves nothing")
		}
	}
}

func TestDriftIsRepaired(t *testing.T) {
	h := newCluster(t)
	h.start()
	h.installed()
	d, err := h.daemonSet(v1alpha1.ProberName)
	must(t, err)
	d.Spec.Template.Spec.Containers[0].Image = "evil.test/prober:v1"
	d.Spec.Template.Labels["added-by"] = "somebody"
	must(t, h.client.Update(t.Context(), d, client.FieldOwner("somebody")))
	h.eventually("the image to be repaired", func() error {
		if d, err = h.daemonSet(v1alpha1.ProberName); err != nil {
			return err
		}
		if image := d.Spec.Template.Spec.Containers[0].Image; image != h.options.Image {
			return fmt.Errorf("image %s", image)
		}
		return nil
	})
	if d.Spec.Template.Labels["added-by"] != "somebody" {
		t.Errorf("what somebody added is gone: %v", d.Spec.Template.Labels)
	}
	h.delete(d)
	h.eventually("a deleted DaemonSet to come back", func() error {
		again, err := h.daemonSet(v1alpha1.ProberName)
		if err == nil && again.UID == d.UID {
			return errors.New("not deleted yet")
		}
		return err
	})
	// Nothing changes any more, so nothing is written any more.
	h.pass(5 * time.Second)
	writes, _ := h.metric("netladder_api_writes_total,object=install")
	h.pass(5 * time.Second)
	if after, _ := h.metric("netladder_api_writes_total,object=install"); after != writes {
		t.Errorf("%v writes, then %v: repairs go round in circles", writes, after)
	}
}

func TestFleetFollowsTheAPIServer(t *testing.T) {
	h := newCluster(t)
	h.start()
	fleet := func() ([]string, error) {
		var m corev1.ConfigMap
		if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: v1alpha1.FleetName}, &m); err != nil {
			return nil, err
		}
		var f v1alpha1.Fleet
		return f.APIServers, json.Unmarshal([]byte(m.Data[v1alpha1.FleetFile]), &f)
	}
	h.eventually("the fleet", func() error {
		servers, err := fleet()
		if err == nil && len(servers) != 1 {
			return fmt.Errorf("API servers: %v", servers)
		}
		return err
	})
	second := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: metav1.NamespaceDefault, Name: "another-" + h.namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"},
		},
		AddressType: discoveryv1.AddressTypeIPv6,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: ptr.To[int32](6443), Protocol: ptr.To(corev1.ProtocolTCP)}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"fd00::6"}}},
	}
	h.create(second)
	defer h.delete(second)
	h.eventually("the second API server", func() error {
		servers, err := fleet()
		if err == nil && !slices.Contains(servers, "[fd00::6]:6443") {
			return fmt.Errorf("API servers: %v", servers)
		}
		return err
	})
}

func TestStandbyWritesNothing(t *testing.T) {
	h, nodes := meshCluster(t)
	now := metav1.NowMicro()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: leaseName},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("another"), LeaseDurationSeconds: ptr.To[int32](3600), AcquireTime: &now, RenewTime: &now,
		},
	}
	h.create(lease)
	h.options.LeaderElection = true
	h.options.HealthProbeBindAddress = freeAddress(t)
	h.start()
	h.eventually("the standby to be ready", func() error {
		response, err := http.Get("http://" + h.options.HealthProbeBindAddress + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	h.pass(20 * time.Second)
	if _, err := h.daemonSet(v1alpha1.ProberName); err == nil {
		t.Error("a standby installed the probers")
	}
	if _, err := h.assignment(nodes[0]); err == nil {
		t.Error("a standby assigned a node")
	}
	for _, series := range []string{"netladder_path_state", "netladder_plan_nodes"} {
		if _, ok := h.metric(series); ok {
			t.Errorf("a standby exports %s", series)
		}
	}
	h.delete(lease)
	h.installed()
	h.assigned(nodes, 1)
}
