// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	uidA = "8f5a4c3e-1b2d-4e6f-9a0b-1c2d3e4f5a6b"
	uidB = "d0c1b2a3-9988-4776-a554-433221100fed"
	// hash is what a static pod's processes carry.
	hash = "7d0a64f1c5d14f7b8a1e0f3c2b9d8e7a"
	ctr  = "1c9f0be2d3a44c55b6e77f8899aabbccddeeff00112233445566778899aabbcc"
)

func under(uid string) string { return strings.ReplaceAll(uid, "-", "_") }

func TestPodOf(t *testing.T) {
	slice := "kubepods-burstable-pod" + under(uidA) + ".slice"
	v1 := func(path string) string {
		return "12:pids:" + path + "\n11:cpu,cpuacct:" + path + "\n1:name=systemd:" + path + "\n0::" + path + "\n"
	}
	for _, tc := range []struct{ name, cgroups, want string }{
		// Version 2, one line.
		{"containerd, cgroupfs, burstable", "0::/kubepods/burstable/pod" + uidA + "/" + ctr + "\n", uidA},
		{"containerd, cgroupfs, guaranteed", "0::/kubepods/pod" + uidA + "/" + ctr + "\n", uidA},
		{"containerd, cgroupfs, best effort", "0::/kubepods/besteffort/pod" + uidA + "/" + ctr + "\n", uidA},
		{"containerd, systemd, burstable", "0::/kubepods.slice/kubepods-burstable.slice/" + slice + "/cri-containerd-" + ctr + ".scope\n", uidA},
		{"containerd, systemd, guaranteed", "0::/kubepods.slice/kubepods-pod" + under(uidA) + ".slice/cri-containerd-" + ctr + ".scope\n", uidA},
		{"CRI-O, systemd, nested by crun", "0::/kubepods.slice/kubepods-burstable.slice/" + slice + "/crio-" + ctr + ".scope/container\n", uidA},
		{"CRI-O's monitor", "0::/kubepods.slice/kubepods-burstable.slice/" + slice + "/crio-conmon-" + ctr + ".scope\n", uidA},
		{"CRI-O, cgroupfs", "0::/kubepods/burstable/pod" + uidA + "/crio-" + ctr + "\n", uidA},
		{"Docker, systemd", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + under(uidA) + ".slice/docker-" + ctr + ".scope\n", uidA},
		{"the pod's own cgroup", "0::/kubepods/burstable/pod" + uidA + "\n", uidA},
		{"systemd inside the container", "0::/kubepods/burstable/pod" + uidA + "/" + ctr + "/system.slice/sshd.service\n", uidA},
		{"kubelet with a cgroup root", "0::/node1/kubepods/burstable/pod" + uidA + "/" + ctr + "\n", uidA},
		{"a node that is a container", "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-" + slice + "/cri-containerd-" + ctr + ".scope\n", uidA},
		{"the same, seen from the machine", "0::/system.slice/docker-" + ctr + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under(uidA) + ".slice/cri-containerd-" + ctr + ".scope\n", uidA},
		{"a static pod", "0::/kubepods/burstable/pod" + hash + "/" + ctr + "\n", hash},
		{"a static pod, systemd", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice/cri-containerd-" + ctr + ".scope\n", hash},

		// Version 1 and hybrids.
		{"v1, Docker, cgroupfs", v1("/kubepods/besteffort/pod" + uidA + "/" + ctr), uidA},
		{"v1, containerd, systemd", v1("/kubepods.slice/kubepods-burstable.slice/" + slice + "/cri-containerd-" + ctr + ".scope"), uidA},
		{"hybrid", "4:memory:/kubepods/pod" + uidA + "/" + ctr + "\n1:name=systemd:/kubepods/pod" + uidA + "/" + ctr + "\n0::/\n", uidA},
		{"v1, drivers that disagree", v1("/system.slice/containerd.service/" + slice + ":cri-containerd:" + ctr), uidA},
		{"hierarchies that name different pods", "4:memory:/kubepods/pod" + uidA + "/" + ctr + "\n1:name=systemd:/kubepods/pod" + uidB + "/" + ctr + "\n", ""},

		// In a private cgroup namespace.
		{"private, same class, cgroupfs", "0::/../../pod" + uidA + "/" + ctr + "\n", uidA},
		{"private, other class, cgroupfs", "0::/../../../besteffort/pod" + uidA + "/" + ctr + "\n", uidA},
		{"private, guaranteed seen from burstable", "0::/../../../pod" + uidA + "/" + ctr + "\n", uidA},
		{"private, same class, systemd", "0::/../../" + slice + "/cri-containerd-" + ctr + ".scope\n", uidA},
		{"private, other class, systemd", "0::/../../../kubepods-burstable.slice/" + slice + "/cri-containerd-" + ctr + ".scope\n", uidA},
		{"private, from outside of all pods", "0::/../../kubepods/burstable/pod" + uidA + "/" + ctr + "\n", uidA},
		{"private, v1", v1("/../../pod" + uidA + "/" + ctr), uidA},
		{"private, a service of the node", "0::/../../../../system.slice/sshd.service\n", ""},
		{"private, the reader's own pod", "0::/../" + ctr + "\n", ""},
		{"private, the reader itself", "0::/\n", ""},

		// Forged: below its own cgroup a pod may make any.
		{"forged, cgroupfs", "0::/kubepods/burstable/pod" + uidA + "/" + ctr + "/kubepods/burstable/pod" + uidB + "/x\n", uidA},
		{"forged, systemd", "0::/kubepods.slice/kubepods-burstable.slice/" + slice + "/cri-containerd-" + ctr + ".scope/kubepods-pod" + under(uidB) + ".slice\n", uidA},
		{"forged, private", "0::/../../pod" + uidA + "/" + ctr + "/pod" + uidB + "\n", uidA},
		{"forged, private, with dots", "0::/../../pod" + uidA + "/" + ctr + "/../../pod" + uidB + "\n", uidA},
		{"forged below a pod with a strange UID", "0::/kubepods/burstable/podstrange/" + ctr + "/pod" + uidB + "\n", ""},
		{"forged below a strange UID, again from the root", "0::/kubepods/burstable/podstrange/" + ctr + "/kubepods/pod" + uidB + "\n", ""},
		{"forged below a strange UID, private", "0::/../../podstrange/kubepods/pod" + uidB + "\n", ""},
		{"forged in the reader's own pod, private", "0::/../" + ctr + "/pod" + uidB + "\n", ""},
		{"forged with a colon", "0::/kubepods/burstable/podstrange/kubepods-pod" + under(uidB) + ".slice:cri-containerd:x\n", ""},
		{"forged by a service of the node", "0::/user.slice/pod" + uidB + "\n", ""},
		{"forged with a newline in a name", "0::/kubepods/pod" + uidA + "/x\\0120::/kubepods/pod" + uidB + "\n", uidA},

		// No pods.
		{"podman", "0::/machine.slice/libpod-" + ctr + ".scope/container\n", ""},
		{"docker", "0::/system.slice/docker-" + ctr + ".scope\n", ""},
		{"the kubelet", "0::/system.slice/kubelet.service\n", ""},
		{"the cgroup of all pods", "0::/kubepods.slice\n", ""},
		{"the cgroup of a class", "0::/kubepods/burstable\n", ""},
		{"upper case", "0::/kubepods/pod" + strings.ToUpper(uidA) + "\n", ""},
		{"dashes elsewhere", "0::/kubepods/pod8f5a4c3e1-b2d-4e6f-9a0b-1c2d3e4f5a6b\n", ""},
		{"empty", "", ""},
		{"no path", "0:\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := podOf(tc.cgroups); got != tc.want {
				t.Errorf("podOf(%q) = %q, want %q", tc.cgroups, got, tc.want)
			}
		})
	}
}

// Whatever a pod makes below its own cgroup, and whatever its UID looks like,
// it is never taken for another pod.
func TestPodOfIsNeverAnother(t *testing.T) {
	component := rapid.SampledFrom([]string{
		"pod" + uidB, "kubepods", "kubepods.slice", "burstable", "kubepods-burstable.slice", "..", ".", "",
		"kubepods-pod" + under(uidB) + ".slice", "kubepods-pod" + under(uidB) + ".slice:x:y", "x", "node",
	})
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.SampledFrom([]string{
			"/kubepods/pod" + uidA, "/kubepods/burstable/pod" + uidA, "/node/kubepods/burstable/pododd", "/kubepods/pododd",
			"/kubepods.slice/kubepods-pod" + under(uidA) + ".slice", "/kubepods.slice/kubepods-pododd.slice",
			"/../../pod" + uidA, "/../../../burstable/pod" + uidA, "/../../pododd", "/../../kubepods-burstable-pododd.slice",
		}).Draw(t, "own")
		below := strings.Join(rapid.SliceOf(component).Draw(t, "below"), "/")
		want := ""
		if strings.Contains(under(own), under(uidA)) {
			want = uidA
		}
		if got := podOf("0::" + own + "/" + ctr + "/" + below + "\n"); got != want {
			t.Fatalf("%s below %s: %q", below, own, got)
		}
	})
}

func TestPodOfTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := podOf(rapid.String().Draw(t, "cgroups"))
		if uid != "" && uidOf(uid) != uid {
			t.Fatalf("%q is no UID", uid)
		}
	})
}
