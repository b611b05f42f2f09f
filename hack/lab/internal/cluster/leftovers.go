package cluster

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// Leftovers lists everything on this machine that carries the lab's name, one line each.
func Leftovers(lab layout.Lab) ([]string, error) {
	var left []string
	for _, look := range []func(layout.Lab) ([]string, error){leftCgroups, leftProcesses, leftNamespaces, leftMounts, leftFiles} {
		found, err := look(lab)
		if err != nil {
			return nil, fmt.Errorf("looking for what is left of lab %s: %w", lab.Name, err)
		}
		left = append(left, found...)
	}
	return left, nil
}

func leftCgroups(lab layout.Lab) ([]string, error) {
	dirs, err := cgroup.Existing(lab.Cgroup())
	return prefixed("cgroup ", dirs), err
}

// leftProcesses finds processes by their cgroup, and those that have the lab's files open or run from there.
func leftProcesses(lab layout.Lab) ([]string, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var left []string
	for _, proc := range entries {
		inCgroup, _ := os.ReadFile(filepath.Join(proc, "cgroup")) // an error: it has ended
		command, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		words := strings.Split(string(command), "\x00")
		mine := slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, lab.Dir()+"/") }) && isDaemon(words)
		for line := range strings.Lines(string(inCgroup)) {
			path := line[strings.LastIndexByte(line, ':')+1:]
			mine = mine || strings.HasPrefix(strings.TrimSpace(path)+"/", lab.Cgroup()+"/")
		}
		if mine {
			left = append(left, fmt.Sprintf("process %s %s", filepath.Base(proc), strings.Join(words, " ")))
		}
	}
	return left, nil
}

// isDaemon keeps a person's editor or `tail` on one of the lab's files from counting as the lab's.
func isDaemon(words []string) bool {
	daemons := []string{
		etcd, kubeAPIServer, kubeControllerManager, kubeScheduler, containerd, "containerd-shim-runc-v2", kubelet, kubeProxy, "runc",
		policyAgent, podtool,
	}
	return slices.Contains(daemons, filepath.Base(words[0]))
}

func leftNamespaces(lab layout.Lab) ([]string, error) {
	paths, err := namespacesOf(lab)
	return prefixed("network namespace ", paths), err
}

func leftMounts(lab layout.Lab) ([]string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var left []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		target := fields[4]
		if strings.HasPrefix(target+"/", lab.Dir()+"/") || strings.HasPrefix(target+"/", lab.NetnsDir()+"/") {
			left = append(left, "mount "+target)
		}
	}
	return left, nil
}

func leftFiles(lab layout.Lab) ([]string, error) {
	var left []string
	for _, dir := range []string{lab.Dir(), lab.NetnsDir()} {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, "directory "+dir)
		}
	}
	return left, nil
}

func prefixed(prefix string, items []string) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, prefix+item)
	}
	return out
}
