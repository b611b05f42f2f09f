// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/status"
	"github.com/netladder/netladder/test/golden"
)

// story is what happens to a small cluster, step by step.
type story struct {
	Nodes []string `json:"nodes"`
	Steps []step   `json:"steps"`
}

// step happens at one moment; the probers that can then report, and the
// controller judges.
type step struct {
	Note  string          `json:"note"`
	After metav1.Duration `json:"after,omitempty"`
	// Pairs that begin to fail, to pass, or count as not attempted.
	Fail    []string `json:"fail,omitempty"`
	Pass    []string `json:"pass,omitempty"`
	Pending []string `json:"pending,omitempty"`
	// Nodes by what happens to them or to their pods.
	NotReady    []string `json:"notReady,omitempty"`
	Ready       []string `json:"ready,omitempty"`
	DeleteNode  []string `json:"deleteNode,omitempty"`
	AddNode     []string `json:"addNode,omitempty"`
	KillProber  []string `json:"killProber,omitempty"`
	StartProber []string `json:"startProber,omitempty"`
	RollEcho    []string `json:"rollEcho,omitempty"`
	// Silent nodes do not report in this step.
	Silent []string `json:"silent,omitempty"`
	// Restart of the controller; APIBack: it reaches the API server again.
	Restart bool `json:"restart,omitempty"`
	APIBack bool `json:"apiBack,omitempty"`
}

// outcome is what came of a step, in the form of the golden files.
type outcome struct {
	Note       string              `json:"note"`
	At         string              `json:"at"`
	Write      bool                `json:"write"`
	Deadline   string              `json:"deadline,omitempty"`
	Summary    string              `json:"summary"`
	Conditions map[string]string   `json:"conditions"`
	Paths      map[string]pathLine `json:"paths"`
	Events     []string            `json:"events,omitempty"`
}

type pathLine struct {
	State   string              `json:"state"`
	Since   string              `json:"since"`
	Pairs   v1alpha1.PairCounts `json:"pairs"`
	Message string              `json:"message,omitempty"`
	Worst   []string            `json:"worst,omitempty"`
}

// TestStories compares what is said in the course of each story with
// testdata/<story>/out.yaml.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var in story
			if err := yaml.UnmarshalStrict(raw, &in); err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(in.tell())
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join(filepath.Dir(file), "out.yaml"), got)
		})
	}
}

func (st *story) tell() []outcome {
	s := newSim(st.Nodes...)
	lastWrite := t0.Add(-time.Hour)
	var out []outcome
	for i := range st.Steps {
		s.take(&st.Steps[i])
		found := diagnosis.Summarize(s.input())
		updated := status.For(s.check, found, s.now)
		o := describe(found, updated)
		o.Note, o.At = st.Steps[i].Note, clock(s.now)
		o.Write = status.NeedsWrite(s.check.Status, updated, lastWrite, s.now)
		if o.Write {
			for _, e := range status.Events(s.check.Status, updated) {
				o.Events = append(o.Events, fmt.Sprintf("%s %s: %s", e.Type, e.Reason, e.Message))
			}
			s.check.Status, lastWrite = updated, s.now
		}
		out = append(out, o)
	}
	return out
}

func (s *sim) take(st *step) {
	s.after(st.After.Duration)
	s.takeNodes(st)
	for state, pairs := range map[v1alpha1.State][]string{
		v1alpha1.StateFailing: st.Fail, v1alpha1.StatePassing: st.Pass, v1alpha1.StatePending: st.Pending,
	} {
		for _, p := range pairs {
			s.set(p, state, v1alpha1.VerdictDropped)
		}
	}
	if st.Restart {
		for _, n := range s.nodes {
			n.report.SeenAt, n.report.HeardAt, n.report.ChangedAt = s.now, time.Time{}, s.now
		}
	}
	if st.APIBack {
		s.since = s.now
	}
	s.assign()
	for _, n := range s.nodes {
		n.silent = false
	}
	for _, name := range st.Silent {
		s.nodes[name].silent = true
	}
	s.heartbeat()
}

func (s *sim) takeNodes(st *step) {
	for _, name := range st.DeleteNode {
		delete(s.nodes, name)
	}
	for _, name := range st.AddNode {
		s.addNode(name, s.now)
	}
	for _, name := range st.NotReady {
		f := s.nodes[name].facts
		f.Ready, f.ReadySince, f.NotReadySince = false, time.Time{}, s.now
	}
	for _, name := range st.Ready {
		f := s.nodes[name].facts
		f.Ready, f.ReadySince = true, s.now
	}
	for _, name := range st.KillProber {
		s.nodes[name].facts.Prober = nil
	}
	for _, name := range st.StartProber {
		s.nodes[name].facts.Prober = s.pod("prober", s.now)
	}
	for _, name := range st.RollEcho {
		s.nodes[name].facts.Echo = s.pod("echo", s.now)
	}
}

func describe(found diagnosis.Summary, st v1alpha1.ConnectivityCheckStatus) outcome {
	o := outcome{
		Deadline: clock(found.Deadline), Conditions: map[string]string{}, Paths: map[string]pathLine{},
		Summary: st.Summary.Passing + " " + st.Summary.Broken,
	}
	for _, c := range st.Conditions {
		o.Conditions[c.Type] = fmt.Sprintf("%s %s since %s %s", c.Status, c.Reason, clock(c.LastTransitionTime.Time), c.Message)
	}
	for _, p := range st.Paths {
		line := pathLine{State: fmt.Sprintf("%s %s", p.State, p.Reason), Since: clock(p.LastTransitionTime.Time), Pairs: p.Pairs, Message: p.Message}
		for _, w := range p.WorstPairs {
			line.Worst = append(line.Worst, fmt.Sprintf("%s→%s %s %s %s since %s", w.Source, w.Target, w.State, w.Verdict, w.Reason, clock(w.Since.Time)))
		}
		o.Paths[p.Name] = line
	}
	return o
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Sub(t0).String()
}
