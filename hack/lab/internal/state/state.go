// Package state keeps what cannot be derived from a lab's name: how it was asked for and what is broken on purpose.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/policy"
)

// State is written before what it describes is made, so that a crash leaves nothing unrecorded.
type State struct {
	Nodes    []string `json:"nodes"`
	DNSNodes []string `json:"dnsNodes"`          // where the CoreDNS replicas run
	Port     int      `json:"port"`              // of the API server on 127.0.0.1
	Binaries string   `json:"binaries"`          // directory of the components it runs on
	Stopped  []string `json:"stopped,omitempty"` // nodes that were powered off
	Faults   []Fault  `json:"faults,omitempty"`
	// PodRoutes are the routes that a fault took away, by the fault as it is written on the command line.
	PodRoutes map[string]PodRoute `json:"podRoutes,omitempty"`
	// Policy is what becomes of packets that NetworkPolicies deny, by node; nodes that are not named have the default.
	Policy map[string]policy.Treatment `json:"policy,omitempty"`
	// NoMetadata are the nodes whose metadata server was stopped.
	NoMetadata []string `json:"noMetadata,omitempty"`
}

// Fault is a fault in force.
type Fault struct {
	Name string `json:"name"`
	Node string `json:"node,omitempty"`
	Peer string `json:"peer,omitempty"`
	// Object is a Service or a pod, NAMESPACE/NAME, where the fault is about one.
	Object string `json:"object,omitempty"`
}

// PodRoute is the route of a node to one of its pods.
type PodRoute struct {
	IP   string `json:"ip"`
	Link string `json:"link"`
}

// String is the fault as it is written on the command line.
func (f Fault) String() string {
	text := f.Name
	for _, part := range []string{f.Node, f.Peer, f.Object} {
		if part != "" {
			text += " " + part
		}
	}
	return text
}

// ErrNoLab says that the lab has not been started.
var ErrNoLab = errors.New("there is no such lab: start it with `lab up`")

func file(lab layout.Lab) string { return lab.Path("state.json") }

// Load reads a lab's state; the error is ErrNoLab if there is none.
func Load(lab layout.Lab) (*State, error) {
	content, err := os.ReadFile(file(lab))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s: %w", lab.Name, ErrNoLab)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lab's state: %w", err)
	}
	s := new(State)
	if err := json.Unmarshal(content, s); err != nil {
		return nil, fmt.Errorf("reading %s (remove the lab with `lab down`): %w", file(lab), err)
	}
	return s, nil
}

// Save replaces the lab's state in one step.
func (s *State) Save(lab layout.Lab) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the lab's state: %w", err)
	}
	if err := os.MkdirAll(lab.Dir(), 0o700); err != nil {
		return fmt.Errorf("making the lab's state directory: %w", err)
	}
	unfinished := filepath.Join(lab.Dir(), ".state.json.unfinished")
	if err := os.WriteFile(unfinished, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	if err := os.Rename(unfinished, file(lab)); err != nil {
		return fmt.Errorf("writing the lab's state: %w", err)
	}
	return nil
}

// IsStopped tells whether a node was powered off.
func (s *State) IsStopped(node string) bool { return slices.Contains(s.Stopped, node) }

// SetStopped records that a node was powered off or on.
func (s *State) SetStopped(node string, stopped bool) {
	s.Stopped = slices.DeleteFunc(s.Stopped, func(n string) bool { return n == node })
	if stopped {
		s.Stopped = append(s.Stopped, node)
	}
}

// PolicyOf is what becomes of denied packets on a node.
func (s *State) PolicyOf(node string) policy.Treatment {
	if t, set := s.Policy[node]; set {
		return t
	}
	return policy.Treatments()[0]
}

// SetPolicy records what becomes of denied packets on a node.
func (s *State) SetPolicy(node string, treatment policy.Treatment) {
	if s.Policy == nil {
		s.Policy = map[string]policy.Treatment{}
	}
	s.Policy[node] = treatment
}

// HasMetadata tells whether a node's metadata server is to run.
func (s *State) HasMetadata(node string) bool { return !slices.Contains(s.NoMetadata, node) }

// SetMetadata records whether a node's metadata server is to run.
func (s *State) SetMetadata(node string, on bool) {
	s.NoMetadata = slices.DeleteFunc(s.NoMetadata, func(n string) bool { return n == node })
	if !on {
		s.NoMetadata = append(s.NoMetadata, node)
	}
}

// Running returns the nodes that were not powered off.
func (s *State) Running() []string {
	return slices.DeleteFunc(slices.Clone(s.Nodes), s.IsStopped)
}

// CheckNode refuses a node that the lab does not have.
func (s *State) CheckNode(node string) error {
	if !slices.Contains(s.Nodes, node) {
		return fmt.Errorf("the lab has no node %q; its nodes are %v", node, s.Nodes)
	}
	return nil
}
