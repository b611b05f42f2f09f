// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// podtool is the lab's test application; hack/lab/components/podtool.
const (
	podtoolImage = "netladder.lab/podtool:v1"
	adminPort    = "9000"
)

// made creates an object for the rest of the test.
func made[T client.Object](t *testing.T, object T) T {
	t.Helper()
	if err := kube.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
	t.Cleanup(func() {
		err := kube.Delete(context.WithoutCancel(t.Context()), object, client.GracePeriodSeconds(0))
		if client.IgnoreNotFound(err) != nil {
			t.Errorf("delete %T %s: %v", object, object.GetName(), err)
		}
	})
	return object
}

// makeNamespace makes a namespace that nothing is isolated in, and waits until
// it is gone when the test ends, so that the next run may make it again.
func makeNamespace(t *testing.T, name string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		for kube.Get(ctx, client.ObjectKeyFromObject(ns), ns) == nil {
			select {
			case <-ctx.Done():
				t.Errorf("namespace %s is still there", name)
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	made(t, ns)
}

// label is one label, as the selectors of the stories need no more.
type label struct{ key, value string }

func (l label) set() map[string]string { return map[string]string{l.key: l.value} }

func (l label) selector() metav1.LabelSelector { return metav1.LabelSelector{MatchLabels: l.set()} }

// startApp runs podtool's application on a node and returns it once it runs.
func startApp(t *testing.T, namespace, name, node string, l label, listeners ...string) *corev1.Pod {
	t.Helper()
	pod := made(t, appPod(namespace, name, node, l, listeners...))
	running(t, pod)
	return pod
}

func appPod(namespace, name, node string, l label, listeners ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: l.set()},
		Spec: corev1.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: ptr.To[int64](1),
			AutomountServiceAccountToken: ptr.To(false),
			Containers: []corev1.Container{{
				Name: "app", Image: podtoolImage, ImagePullPolicy: corev1.PullNever,
				Args: append([]string{"app", "--admin=:" + adminPort}, listeners...),
			}},
		},
	}
}

// running waits until the pod has an address and its container runs.
func running(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	eventually(t, time.Minute, "pod "+pod.Name+" runs", func(ctx context.Context) error {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
			return fmt.Errorf("phase %s, IP %q", pod.Status.Phase, pod.Status.PodIP)
		}
		return nil
	})
}

// grown waits until no pod of a namespace is so young that it excuses bad
// results.
func grown(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, time.Minute, "the pods are no longer young", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := kube.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range pods.Items {
			if age := sinceReady(&pods.Items[i]); age < grace {
				return fmt.Errorf("%s is Ready for %s", pods.Items[i].Name, age)
			}
		}
		return nil
	})
}

// undo runs a command of the lab when the test ends.
func undo(t *testing.T, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), args...); err != nil {
			t.Errorf("lab %v: %v\n%s", args, err, out)
		}
	})
}

// expose makes a Service of the pods with a label.
func expose(t *testing.T, namespace, name string, l label, port int32) {
	t.Helper()
	made(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: l.set(), Ports: []corev1.ServicePort{{Port: port, TargetPort: intstr.FromInt32(port)}}},
	})
}

// isolate makes a policy that lets nothing in to the pods that a selector
// selects, but what the rules say.
func isolate(t *testing.T, namespace, name string, selector metav1.LabelSelector, rules ...networkingv1.NetworkPolicyIngressRule) *networkingv1.NetworkPolicy {
	t.Helper()
	return made(t, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: selector, Ingress: rules, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	})
}

// admit is a rule that lets the pods with a label in to a port.
func admit(l label, port int32) networkingv1.NetworkPolicyIngressRule {
	return networkingv1.NetworkPolicyIngressRule{
		From:  []networkingv1.NetworkPolicyPeer{{PodSelector: ptr.To(l.selector())}},
		Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(port))}},
	}
}

// ask asks a pod's admin server from the pod's own node, which no policy may
// forbid, and returns the answer.
func ask(t *testing.T, pod *corev1.Pod, method, path string) []byte {
	t.Helper()
	conn, err := dialOnNode(pod.Spec.NodeName, net.JoinHostPort(pod.Status.PodIP, adminPort))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	httpClient := &http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+pod.Name+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s of %s: %v", method, path, pod.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s of %s: %s %s, %v", method, path, pod.Name, response.Status, body, err)
	}
	return body
}

// listen opens a listener in a pod and returns what closes it.
func listen(t *testing.T, pod *corev1.Pod, protocol, address string) (closeIt func()) {
	t.Helper()
	query := url.Values{"proto": {protocol}, "addr": {address}}.Encode()
	ask(t, pod, http.MethodPost, "/listen?"+query)
	return func() { ask(t, pod, http.MethodPost, "/close?"+query) }
}
