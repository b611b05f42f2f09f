// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package netns lets probes start in the network namespaces of this node's
// pods and of the node itself. A Registry finds the namespace of a pod by its
// UID, through the processes that its cgroup holds, and keeps it open as long
// as the pod is wanted. It sends nothing into the network.
//
// # What it needs
//
// The prober runs in the node's PID namespace (hostPID), as uid 0, with two
// capabilities: CAP_SYS_PTRACE opens /proc/PID/ns/net and /proc/PID/root of
// processes of other users, and CAP_SYS_ADMIN enters a namespace. The third of
// level Full, CAP_NET_RAW, is for what probes send from there: pings and
// half-open handshakes. No process is traced, stopped or written to. Uid 0
// without CAP_DAC_OVERRIDE reads what everybody may read: a resolv.conf that the
// pod hides from others stays hidden.
//
// # Which namespace is the pod's
//
// Everything a pod's processes can choose is hostile input: nested cgroups,
// other namespaces, files. A process belongs to a pod by the first pod
// component of its cgroup path, which the kubelet wrote and the pod cannot
// leave. Of the pod's processes the oldest whose namespace has the pod's
// addresses decides; its directory in /proc stays open, so that a reused
// process ID is never taken for it. A namespace that is the node's own belongs
// to no pod.
//
// An open namespace keeps a dead pod's interfaces alive. The Registry
// therefore looks at each use whether the process is still there, and closes
// what is not wanted any more, or not the pod's any more, at once, or when the
// probe that is just inside has left.
package netns
