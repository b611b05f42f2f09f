// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/plan"
)

// podHold is how long a node keeps its place in the plan without a prober or
// echo pod. Rolling a DaemonSet leaves gaps of seconds; a gap must neither
// cost writes nor lose the history that the assignment holds.
const podHold = 5 * time.Minute

// world is what the leader knows: the plan's engine, and the facts about
// nodes, reports and checks by which diagnosis judges. Its methods are short,
// make no I/O and are safe for concurrent use. What they hand out is never
// changed afterwards: a fact that changes is replaced.
type world struct {
	clock clock.PassiveClock
	// namespace is Netladder's own.
	namespace string
	// runsOn are the labels of nodes that should have a prober; nil means all.
	runsOn map[string]string
	// tolerations of the probers; nil means all taints.
	tolerations []corev1.Toleration

	mu     sync.Mutex
	engine *plan.Engine
	nodes  map[string]*node
	facts  map[string]*diagnosis.NodeFacts
	// reports by node; each is replaced, never changed.
	reports map[string]*diagnosis.Report
	// doubts are what each report makes doubtful, or did a moment ago.
	doubts map[string]map[plan.Doubt]doubtful
	// mentions of pods and nodes in reports.
	mentions mentions
	// pods are the UIDs of workload pods, and podFacts what diagnosis knows of
	// them by UID.
	pods     map[types.NamespacedName]types.UID
	podFacts map[string]*diagnosis.WorkloadPod
	// disclosesTo is the namespace to which a namespace discloses what is
	// learned of its pods, and disclosing the same the other way round. What is
	// in the latter is replaced, never changed.
	disclosesTo map[string]string
	disclosing  map[string]map[string]bool
	checks      map[types.NamespacedName]*check
	// workloads is true where pods are sources and targets. Where they are only
	// audited, they are known to policies alone.
	workloads bool
	policies  policies
	// services are replaced, never changed.
	services map[types.NamespacedName]*diagnosis.ServiceFacts
	// canary is replaced, never changed.
	canary diagnosis.CanaryPolicies
	// notEnforcing are the nodes whose canary pods show that they do not enforce
	// policies, by direction. It is replaced, never changed.
	notEnforcing map[v1alpha1.PolicyDirection]map[string]bool
	audits       audits
	// told are the causes that are followed, for events.
	told causes.Told
	// primed is true once all there is was taken in.
	primed bool
	// problem of the installation, empty without one.
	problem string
	// available is when the API server was last found again.
	available time.Time
}

// check is one ConnectivityCheck as the leader knows it.
type check struct {
	object *v1alpha1.ConnectivityCheck
	// mesh is true if a path aims at echo or canary pods: any node may concern it.
	mesh bool
	// status as last judged; nil before.
	status *v1alpha1.ConnectivityCheckStatus
	// enforcement of policies as last judged; empty for most checks.
	enforcement []diagnosis.Enforcement
	// causes of the paths that fail, as last judged.
	causes []causes.Found
	// sentences of the diagnoses of paths, by name, for the metrics. They are
	// replaced, never changed.
	sentences map[string]string
	// writtenAt is when this process last wrote the status; before it did,
	// when it first saw the check.
	writtenAt time.Time
	// told is the status up to which events were announced; nil if that is the
	// one that is persisted.
	told *v1alpha1.ConnectivityCheckStatus
	// diagnosed are the failures of paths, by name, and the reasons that they
	// were told to have.
	diagnosed map[string]diagnosed
}

// diagnosed are the reasons of one failure that were told.
type diagnosed struct {
	since   time.Time
	reasons map[string]struct{}
}

// touched is what an observation may have changed.
type touched struct {
	// nodes whose assignment has to be compared.
	nodes []string
	// checks that have to be judged again.
	checks map[types.NamespacedName]struct{}
	// audits are the namespaces whose policies have to be audited again, and
	// allAudits is true if that may be every one.
	audits    []string
	allAudits bool
}

func newWorld(c clock.PassiveClock, s plan.Settings) *world {
	return &world{
		clock:     c,
		namespace: s.Namespace,
		engine:    plan.NewEngine(s),
		nodes:     map[string]*node{},
		facts:     map[string]*diagnosis.NodeFacts{},
		reports:   map[string]*diagnosis.Report{},
		mentions:  mentions{},
		doubts:    map[string]map[plan.Doubt]doubtful{},
		pods:      map[types.NamespacedName]types.UID{},
		podFacts:  map[string]*diagnosis.WorkloadPod{},

		disclosesTo: map[string]string{},
		disclosing:  map[string]map[string]bool{},
		checks:      map[types.NamespacedName]*check{},
		workloads:   s.Level == v1alpha1.LevelFull,
		policies:    newPolicies(),
		audits:      newAudits(),
		services:    map[types.NamespacedName]*diagnosis.ServiceFacts{},
		available:   c.Now(),
	}
}

// observeCheck takes in a check; nil if it is deleted.
func (w *world) observeCheck(key types.NamespacedName, c *v1alpha1.ConnectivityCheck) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setCheck(key, c)
	return w.takeDirty(key)
}

func (w *world) setCheck(key types.NamespacedName, c *v1alpha1.ConnectivityCheck) {
	if c == nil {
		known := w.checks[key]
		delete(w.checks, key)
		if known != nil && len(known.enforcement) > 0 {
			w.noteEnforcement()
		}
		w.policies.read(key, nil)
		w.engine.DeleteCheck(key)
		return
	}
	known := w.checks[key]
	if known == nil || known.object.UID != c.UID {
		known = &check{writtenAt: w.clock.Now()}
		w.checks[key] = known
	}
	known.object, known.mesh = c, false
	for i := range c.Spec.Paths {
		known.mesh = known.mesh || c.Spec.Paths[i].To.Mesh != nil || c.Spec.Paths[i].To.Canary != nil
	}
	w.engine.SetCheck(c)
}

// observeService takes in a Service; nil if it is deleted.
func (w *world) observeService(key types.NamespacedName, s *diagnosis.ServiceFacts) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setService(key, s)
	// Why it has no endpoints may have changed, which concerns those that fail.
	return w.takeDirty(slices.Collect(maps.Keys(w.policies.readers[key.Namespace]))...)
}

func (w *world) setService(key types.NamespacedName, s *diagnosis.ServiceFacts) {
	if s == nil {
		w.policies.setService(key, w.engine.Service(key), nil)
		delete(w.services, key)
		w.engine.DeleteService(key)
		return
	}
	w.policies.setService(key, w.engine.Service(key), s.Service)
	w.services[key] = s
	w.engine.SetService(s.Service)
}

// servicesOf are the facts about the Services that a check aims at and about the
// cluster's DNS, with its name; empty where that is not known.
func (w *world) servicesOf(c *v1alpha1.ConnectivityCheck) (facts map[types.NamespacedName]*diagnosis.ServiceFacts, dns types.NamespacedName) {
	facts = map[types.NamespacedName]*diagnosis.ServiceFacts{}
	add := func(key types.NamespacedName) {
		if s := w.services[key]; s != nil {
			facts[key] = s
		}
	}
	for i := range c.Spec.Paths {
		if key, ok := diagnosis.ServiceKey(c.Namespace, &c.Spec.Paths[i].To); ok {
			add(key)
		}
	}
	for _, key := range plan.DNSServices() {
		s := w.services[key]
		if s != nil && slices.ContainsFunc(s.Ports, func(p plan.ServicePort) bool { return p.Port == 53 }) {
			add(key)
			return facts, key
		}
	}
	return facts, dns
}

// advance brings the plan to the present.
func (w *world) advance() touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engine.Advance(w.clock.Now())
	return w.takeDirty()
}

// nextAdvance is when that has to be done again; zero if never, as far as is
// known now.
func (w *world) nextAdvance() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine.NextAdvance()
}

// takeDirty is what the engine touched, and these checks.
func (w *world) takeDirty(also ...types.NamespacedName) touched {
	dirty := w.engine.TakeDirty()
	t := touched{nodes: dirty.Nodes, checks: map[types.NamespacedName]struct{}{}}
	for _, key := range append(dirty.Checks, also...) {
		t.checks[key] = struct{}{}
	}
	t.audits, t.allAudits = w.auditsOf(w.policies.takeTouched(t.checks))
	return t
}

// apiUnavailable notes that the API server could not be reached just now.
func (w *world) apiUnavailable() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.available = w.clock.Now()
}

// diagnosisInput is all that is known about a check, without its persisted
// status; false if the check was not observed yet.
func (w *world) diagnosisInput(key types.NamespacedName) (diagnosis.Input, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.checks[key]
	if known == nil {
		return diagnosis.Input{}, false
	}
	resolved := w.engine.Resolved(key)
	services, dns := w.servicesOf(known.object)
	return diagnosis.Input{
		Check:             known.object,
		Resolved:          resolved,
		Reports:           maps.Clone(w.reports),
		Pods:              w.podsOf(resolved),
		Disclosing:        w.disclosing[key.Namespace],
		Policies:          w.policiesFor(key),
		Services:          services,
		DNS:               dns,
		Canary:            w.canary,
		NotEnforcing:      w.notEnforcing,
		Nodes:             maps.Clone(w.facts),
		Now:               w.clock.Now(),
		APIAvailableSince: w.available,
		Settings:          diagnosis.Settings{Namespace: w.namespace},
	}, true
}

// setProblem notes what is wrong with the installation, and returns the checks
// that have to say so.
func (w *world) setProblem(text string) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == text {
		return nil
	}
	w.problem = text
	return slices.Collect(maps.Keys(w.checks))
}

// installation is what is wrong with it; empty if nothing is.
func (w *world) installation() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}

// judged keeps what a check's status is, and what it says of the enforcement of
// policies, for the metrics.
func (w *world) judged(
	key types.NamespacedName, status *v1alpha1.ConnectivityCheckStatus, summary *diagnosis.Summary,
) (writtenAt time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.checks[key]
	if known == nil {
		return time.Time{}
	}
	changed := len(known.enforcement)+len(summary.Enforcement) > 0
	keepTexts(summary.Causes, known.causes)
	known.status, known.enforcement, known.causes = status, summary.Enforcement, summary.Causes
	known.sentences = sentencesOf(status, known.sentences)
	if changed {
		w.noteEnforcement()
	}
	for i := range known.causes {
		known.causes[i].Check = key
	}
	return known.writtenAt
}

// toldOf is the status up to which events were announced, given the one that is
// persisted.
func (w *world) toldOf(key types.NamespacedName, persisted v1alpha1.ConnectivityCheckStatus) v1alpha1.ConnectivityCheckStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.checks[key]; known != nil && known.told != nil {
		return *known.told
	}
	return persisted
}

// setTold notes that status; nil if it is the one that is persisted.
func (w *world) setTold(key types.NamespacedName, told *v1alpha1.ConnectivityCheckStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.checks[key]; known != nil {
		known.told = told
	}
}

// firstDiagnosed notes the reason of a path's diagnosis, and says whether the
// path was not told to have it since it began to fail. The last of them are
// forgotten with the process, and with the check.
func (w *world) firstDiagnosed(key types.NamespacedName, path *v1alpha1.PathStatus) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.checks[key]
	if known == nil {
		return false
	}
	now, ok := known.diagnosed[path.Name]
	if !ok || !now.since.Equal(path.LastTransitionTime.Time) {
		now = diagnosed{since: path.LastTransitionTime.Time, reasons: map[string]struct{}{}}
		if known.diagnosed == nil {
			known.diagnosed = map[string]diagnosed{}
		}
		known.diagnosed[path.Name] = now
	}
	_, told := now.reasons[path.Diagnosis.Reason]
	now.reasons[path.Diagnosis.Reason] = struct{}{}
	return !told
}

// statusWritten notes that a check's status was persisted.
func (w *world) statusWritten(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.checks[key]; known != nil {
		known.writtenAt = w.clock.Now()
	}
}
