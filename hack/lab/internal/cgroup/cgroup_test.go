package cgroup

import "testing"

func TestIsMember(t *testing.T) {
	const path = "/netladder-lab-nl"
	for procCgroup, want := range map[string]bool{
		"8:pids:/netladder-lab-nl\n":                                       true,
		"9:memory:/\n8:pids:/netladder-lab-nl/node1/pods/kubepods\n0::/\n": true,
		"8:pids:/netladder-lab-nl2/node1\n":                                false,
		"8:memory:/netladder-lab-nl\n7:pids:/\n":                           false,
		"":                                                                 false,
	} {
		if got := isMember(procCgroup, path); got != want {
			t.Errorf("isMember(%q) = %v, want %v", procCgroup, got, want)
		}
	}
}
