//go:build lab

// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// looks are what must be the same before and after a lab. Other labs may come and go meanwhile, and tests of the product run:
// of what bears a lab's name only this lab's counts (`leftovers` tells of it too), and what bears none no lab may change.
// Left out are zombies, whose reaping is up to the machine's init.
var looks = []struct {
	what, script string
	named        bool // only lines that bear the lab's name count
}{
	{what: "mounts", script: "sort /proc/mounts", named: true},
	{what: "cgroups", script: "find /sys/fs/cgroup -type d | sort", named: true},
	{what: "network namespaces", script: "ls -d /run/netns/* /run/netladder-lab/*/*", named: true},
	{what: "processes", script: "ps -ww -eo stat=,comm=,cgroup=,args= | grep -v '^Z' | tr -s ' ' | cut -d' ' -f2- | sort", named: true},
	{what: "lab files", script: "ls -d /var/lib/netladder-lab/* /run/netladder-lab/*", named: true},
	{what: "node files", script: "ls /var/lib/kubelet /var/lib/containerd /var/lib/cni /etc/cni /run/containerd /var/log/pods 2>&1"},
	{what: "links", script: "ip -o -d link; ip -o address; ip route; ip rule; ip neigh show nud permanent"},
	{what: "nftables", script: "nft list ruleset"},
	{what: "iptables", script: "iptables-legacy-save | grep -v '^#'"},
	{what: "sysctls", script: "sysctl -a | grep -E '^(net|vm|kernel)[.]'"},
}

// volatile are lines that change without any lab, or that other tests of the product cause while this one runs.
var volatile = regexp.MustCompile(`nltest-|process_api|kernel\.random|ns_last_pid|kernel\.pty\.nr|nf_conntrack_count|vm\.stat`)

// snapshot is the machine as it was, one list of lines for each look.
type snapshot struct {
	name  string
	lines map[string][]string
}

func takeSnapshot(t *testing.T, name string) snapshot {
	t.Helper()
	if _, err := layout.New(name); err != nil {
		t.Fatal(err)
	}
	bearsName := regexp.MustCompile(`(netladder-lab[-/]|/run/netns/)` + name + `([-/, ]|$)`)
	taken := snapshot{name: name, lines: map[string][]string{}}
	for _, look := range looks {
		out, _ := exec.Command("sh", "-c", look.script+" 2>/dev/null").Output() // grep and ls fail where there is nothing
		for line := range strings.SplitSeq(string(out), "\n") {
			if (!look.named || bearsName.MatchString(line)) && !volatile.MatchString(line) {
				taken.lines[look.what] = append(taken.lines[look.what], line)
			}
		}
	}
	return taken
}

// changes says what is new on the machine and what is gone.
func (s snapshot) changes(t *testing.T) []string {
	t.Helper()
	now := takeSnapshot(t, s.name)
	var changes []string
	for _, look := range looks {
		before, after := s.lines[look.what], now.lines[look.what]
		for _, line := range after {
			if !slices.Contains(before, line) {
				changes = append(changes, look.what+": new: "+line)
			}
		}
		for _, line := range before {
			if !slices.Contains(after, line) {
				changes = append(changes, look.what+": gone: "+line)
			}
		}
	}
	return changes
}

func (s snapshot) compare(t *testing.T) {
	t.Helper()
	for _, change := range s.changes(t) {
		t.Error(change)
	}
}

// TestSnapshotTellsLabsApart leaves something of this lab and something of another one: only the former may count.
func TestSnapshotTellsLabsApart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	const mine = "selftesta"
	for name, counts := range map[string]bool{mine: true, mine + "b": false, "b" + mine: false} {
		lab, err := layout.New(name)
		if err != nil {
			t.Fatal(err)
		}
		cgroup := filepath.Join("/sys/fs/cgroup/pids", lab.Cgroup("node1"))
		for what, path := range map[string]string{"cgroups": cgroup, "network namespaces": lab.NetnsLink("node1"), "lab files": lab.Dir()} {
			before := takeSnapshot(t, mine)
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			changes := before.changes(t)
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			if seen := strings.Contains(strings.Join(changes, "\n"), what+": new: "+path); seen != counts {
				t.Errorf("%s of lab %s: seen %v, want %v; changes %q", what, name, seen, counts, changes)
			}
		}
		if err := os.Remove(filepath.Dir(cgroup)); err != nil {
			t.Error(err)
		}
	}
}
