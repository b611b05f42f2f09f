// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import "strings"

// podOf returns the UID of the pod that a process belongs to, from the content
// of its /proc/PID/cgroup, version 1, 2 or both; empty where it belongs to
// none. For a static pod it is the hash of its file, which is not the UID that
// the API knows it by. Hierarchies that name different pods name none: the
// kubelet writes the same pod to all.
func podOf(cgroups string) string {
	var uid string
	for line := range strings.Lines(cgroups) {
		// hierarchy:controllers:path, and the path may hold colons.
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		found := podOfPath(parts[2])
		if found == "" {
			continue
		}
		if uid != "" && uid != found {
			return ""
		}
		uid = found
	}
	return uid
}

// podOfPath returns the UID of the pod whose cgroup a path is in. The kubelet
// writes kubepods, then the QoS class unless it is Guaranteed, then the pod;
// the runtime what follows, and the pod's processes may nest more below:
// nothing that comes after the place of the pod is ever looked at.
//
// In a private cgroup namespace the path is relative to the reader's own
// cgroup: what both have in common is missing and as many ".." as the reader
// is deep stand in front.
func podOfPath(path string) string {
	components := strings.Split(strings.Trim(path, "/"), "/")
	climbed := 0
	for climbed < len(components) && components[climbed] == ".." {
		climbed++
	}
	components = components[climbed:]
	root := indexRoot(components)
	switch {
	case climbed == 0 && root < 0:
		return podOfMisnested(components)
	case root == 0, climbed == 0:
		components = components[root+1:]
	default:
		// Relative, with kubepods in the common part: the rest begins with
		// the class or the pod.
	}
	if len(components) > 0 && isClass(components[0]) {
		components = components[1:]
	}
	if len(components) == 0 {
		return ""
	}
	return podOfComponent(components[0])
}

// indexRoot returns where the kubelet's cgroup for all pods is, or -1. The
// first counts: others are nested below a pod.
func indexRoot(components []string) int {
	for i, c := range components {
		name, slice := strings.CutSuffix(c, ".slice")
		if name == "kubepods" || slice && strings.HasSuffix(name, "-kubepods") {
			return i
		}
	}
	return -1
}

// isClass says whether a component is that of a QoS class.
func isClass(c string) bool {
	if c == "burstable" || c == "besteffort" {
		return true
	}
	name, slice := strings.CutSuffix(c, ".slice")
	return slice && (strings.HasSuffix(name, "kubepods-burstable") || strings.HasSuffix(name, "kubepods-besteffort"))
}

// podOfMisnested knows what containerd makes where the kubelet uses systemd
// for cgroups and it does not: one component of slice, prefix and container,
// joined by colons, below its own service.
func podOfMisnested(components []string) string {
	for _, c := range components {
		slice, _, ok := strings.Cut(c, ":")
		if ok && strings.HasSuffix(slice, ".slice") && strings.Contains(slice, "kubepods") {
			return podOfComponent(slice)
		}
	}
	return ""
}

// podOfComponent takes the UID out of pod<uid>, as cgroupfs has it, or of
// kubepods-burstable-pod<uid with underscores>.slice, as systemd has it.
func podOfComponent(c string) string {
	if name, slice := strings.CutSuffix(c, ".slice"); slice {
		i := strings.LastIndex(name, "-pod")
		if i < 0 || !strings.Contains(name[:i], "kubepods") {
			return ""
		}
		return uidOf(strings.ReplaceAll(name[i+len("-pod"):], "_", "-"))
	}
	uid, ok := strings.CutPrefix(c, "pod")
	if !ok {
		return ""
	}
	return uidOf(uid)
}

// uidOf returns a UID as the API server or, for a static pod, the kubelet
// makes it; empty for anything else.
func uidOf(s string) string {
	if len(s) != 36 && len(s) != 32 {
		return ""
	}
	for i := range len(s) {
		dash := len(s) == 36 && (i == 8 || i == 13 || i == 18 || i == 23)
		hex := '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
		if dash != (s[i] == '-') || !dash && !hex {
			return ""
		}
	}
	return s
}
