// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package attempt is about trying one path once: what FROM and TO on a command
// line mean, the check that tries it, and when enough is known. It is pure.
package attempt

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Kind of an end of a path.
type Kind string

// The kinds.
const (
	Pod         Kind = "pod"
	Deployment  Kind = "deployment"
	StatefulSet Kind = "statefulset"
	DaemonSet   Kind = "daemonset"
	ReplicaSet  Kind = "replicaset"
	Job         Kind = "job"
	Service     Kind = "service"
	Node        Kind = "node"
	// Selector are the pods with some labels, AllPods those of a namespace.
	Selector Kind = "selector"
	AllPods  Kind = "pods"
	// Nodes are all of them, Probers the prober pods of all of them.
	Nodes   Kind = "nodes"
	Probers Kind = "probers"
	// Host, DNS, APIServer and Mesh are targets only.
	Host      Kind = "host"
	DNS       Kind = "dns"
	APIServer Kind = "apiserver"
	Mesh      Kind = "mesh"
)

// End of a path as it was written. What it means may have to be looked up.
type End struct {
	Kind Kind
	// Namespace of a Pod, a Service or a workload; empty for that of the command.
	Namespace string
	// Name of the object, the host or what is looked up.
	Name string
	// Labels of a Selector.
	Labels *metav1.LabelSelector
	// Port; the zero value where none was written.
	Port intstr.IntOrString
	// Protocol of the port; empty for TCP.
	Protocol v1alpha1.Protocol
	// Type of the DNS record.
	Type v1alpha1.DNSRecordType
}

// NeedsPort is true for a target that means nothing without one.
func (e *End) NeedsPort() bool {
	switch e.Kind {
	case Node, Nodes, DNS, APIServer, Mesh, Probers:
		return false
	}
	return true
}

func (e *End) hasPort() bool { return e.Port != (intstr.IntOrString{}) }

const (
	fromForms = "write pod/NAME, deploy/NAME (or sts, ds, job), labels such as app=web, node/NAME, or probers"
	toForms   = "write svc/NAME:PORT, pod/NAME:PORT, deploy/NAME:PORT, labels such as app=db:5432, HOST:PORT, dns:NAME, node/NAME, apiserver or mesh"
)

func kindOf(text string) (Kind, bool) {
	switch strings.ToLower(text) {
	case "pod", "pods", "po":
		return Pod, true
	case "deploy", "deployment", "deployments":
		return Deployment, true
	case "sts", "statefulset", "statefulsets":
		return StatefulSet, true
	case "ds", "daemonset", "daemonsets":
		return DaemonSet, true
	case "rs", "replicaset", "replicasets":
		return ReplicaSet, true
	case "job", "jobs":
		return Job, true
	case "svc", "service", "services":
		return Service, true
	case "node", "nodes", "no":
		return Node, true
	}
	return "", false
}

// ParseFrom reads where a path starts.
func ParseFrom(text string) (End, error) {
	e, rest, err := parse(text)
	switch {
	case err != nil:
		return End{}, fmt.Errorf("FROM %q: %w", text, err)
	case e.Kind == Service:
		return End{}, fmt.Errorf("FROM %q: a Service starts no connections; name the workload behind it, such as deploy/%s", text, e.Name)
	case e.Kind == "" || rest != "" && e.Kind == Mesh:
		return End{}, fmt.Errorf("FROM %q: %s", text, fromForms)
	case e.Kind == Host || e.Kind == DNS || e.Kind == APIServer || e.Kind == Mesh:
		return End{}, fmt.Errorf("FROM %q: no probe can start there; %s", text, fromForms)
	case rest != "":
		return End{}, fmt.Errorf("FROM %q: a source has no port; leave out :%s", text, rest)
	}
	return e, nil
}

// ParseTo reads what a path aims at.
func ParseTo(text string) (End, error) {
	e, rest, err := parse(text)
	if err == nil && e.Kind == "" {
		e, rest, err = parseHost(text)
	}
	switch {
	case err != nil:
		return End{}, fmt.Errorf("TO %q: %w", text, err)
	case e.Kind == Probers || e.Kind == AllPods:
		return End{}, fmt.Errorf("TO %q: write mesh for Netladder's own echo pods, or labels and a port such as app=db:5432", text)
	case (e.Kind == APIServer || e.Kind == Mesh || e.Kind == DNS) && rest != "":
		return End{}, fmt.Errorf("TO %q: %s has no port; leave out :%s", text, e.Kind, rest)
	}
	if rest != "" {
		if err := e.parsePort(rest); err != nil {
			return End{}, fmt.Errorf("TO %q: %w", text, err)
		}
	}
	// A Service may have but one port, which whoever looks it up finds.
	if !e.hasPort() && e.NeedsPort() && e.Kind != Service {
		return End{}, fmt.Errorf("TO %q: which port? write %s:PORT", text, text)
	}
	return e, nil
}

// parse reads what both ends may be; the kind is empty for what neither is
// recognized as. rest is what stands after a colon.
func parse(text string) (e End, rest string, err error) {
	if name, ok := strings.CutPrefix(text, "dns:"); ok {
		e, err = parseDNS(name)
		return e, "", err
	}
	body, rest := text, ""
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		if body, rest = text[:at], text[at+1:]; rest == "" {
			return e, "", errors.New("the port is missing after the colon")
		}
	}
	switch strings.ToLower(body) {
	case "probers":
		return End{Kind: Probers}, rest, nil
	case "nodes":
		return End{Kind: Nodes}, rest, nil
	case "pods":
		return End{Kind: AllPods}, rest, nil
	case "apiserver":
		return End{Kind: APIServer}, rest, nil
	case "mesh":
		return End{Kind: Mesh}, rest, nil
	}
	if strings.ContainsAny(body, "=!()") {
		labels, err := metav1.ParseToLabelSelector(body)
		if err != nil {
			return e, "", fmt.Errorf("the labels %q cannot be read: %w; write them as for kubectl get -l, such as app=web,tier!=test", body, err)
		}
		return End{Kind: Selector, Labels: labels}, rest, nil
	}
	parts := strings.Split(body, "/")
	if len(parts) == 3 {
		e.Namespace, parts = parts[0], parts[1:]
	}
	if len(parts) != 2 {
		return End{}, rest, nil
	}
	kind, ok := kindOf(parts[0])
	if !ok {
		return End{}, "", fmt.Errorf("%q is no kind that is known here: pod, deploy, sts, ds, rs, job, svc, node", parts[0])
	}
	e.Kind, e.Name = kind, parts[1]
	if kind == Service && e.Namespace == "" {
		e.Name, e.Namespace = serviceName(e.Name)
	}
	if e.Name == "" {
		return End{}, "", fmt.Errorf("which %s? write %s/NAME", kind, parts[0])
	}
	return e, rest, nil
}

// serviceName reads NAME.NAMESPACE as DNS writes it, with or without svc and the
// cluster's domain: the name of a Service has no dots.
func serviceName(text string) (name, namespace string) {
	parts := strings.Split(text, ".")
	if len(parts) > 1 {
		namespace = parts[1]
	}
	return parts[0], namespace
}

func parseDNS(text string) (End, error) {
	name, record, _ := strings.Cut(text, "?")
	if name == "" {
		return End{}, errors.New("which name? write dns:NAME, such as dns:kubernetes.default")
	}
	e := End{Kind: DNS, Name: name, Type: v1alpha1.DNSTypeA}
	if record == "" {
		return e, nil
	}
	e.Type = v1alpha1.DNSRecordType(strings.ToUpper(record))
	switch e.Type {
	case v1alpha1.DNSTypeA, v1alpha1.DNSTypeAAAA, v1alpha1.DNSTypeCNAME, v1alpha1.DNSTypeSRV, v1alpha1.DNSTypePTR, v1alpha1.DNSTypeTXT, v1alpha1.DNSTypeNS, v1alpha1.DNSTypeMX:
		return e, nil
	}
	return End{}, fmt.Errorf("the record type %q is none of A, AAAA, CNAME, SRV, PTR, TXT, NS and MX", record)
}

// parseHost reads HOST:PORT, ADDRESS:PORT and [ADDRESS]:PORT.
func parseHost(text string) (End, string, error) {
	address, protocol, _ := strings.Cut(text, "/")
	if at, err := netip.ParseAddrPort(address); err == nil {
		rest := strconv.Itoa(int(at.Port()))
		if protocol != "" {
			rest += "/" + protocol
		}
		return End{Kind: Host, Name: at.Addr().String()}, rest, nil
	}
	if strings.Contains(text, "://") {
		return End{}, "", errors.New("write HOST:PORT without the scheme, and --http PATH for a request")
	}
	host, port, found := strings.Cut(text, ":")
	switch {
	case strings.Count(text, ":") > 1:
		return End{}, "", errors.New("write an IPv6 address in brackets, such as [2001:db8::1]:443")
	case host == "", strings.Contains(host, "/"):
		return End{}, "", errors.New(toForms)
	case !found && !strings.Contains(host, "."):
		return End{}, "", errors.New(toForms)
	}
	return End{Kind: Host, Name: host}, port, nil
}

// parsePort reads PORT and PORT/UDP.
func (e *End) parsePort(text string) error {
	port, protocol, ok := strings.Cut(text, "/")
	if ok {
		switch strings.ToUpper(protocol) {
		case "TCP":
		case "UDP":
			e.Protocol = v1alpha1.ProtocolUDP
		default:
			return fmt.Errorf("the protocol %q is neither TCP nor UDP", protocol)
		}
	}
	number, err := strconv.Atoi(port)
	switch {
	case err == nil && (number < 1 || number > 65535):
		return fmt.Errorf("the port %d is not from 1 to 65535", number)
	case err == nil:
		e.Port = intstr.FromInt32(int32(number))
	case port == "":
		return errors.New("the port is missing after the colon")
	case e.Kind == Host || e.Kind == Node || e.Kind == Nodes:
		return fmt.Errorf("the port %q is no number, and only Services and pods have ports with names", port)
	default:
		e.Port = intstr.FromString(port)
	}
	return nil
}
