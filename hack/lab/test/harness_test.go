//go:build lab

package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const labName = "selftest"

var nodes = []string{"node1", "node2", "node3"}

// lab drives the lab's program as a person would.
type lab struct {
	t      *testing.T
	name   string
	binary string
}

// newLab builds the program and makes sure that the test leaves no lab behind.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the lab needs root")
	}
	l := &lab{t: t, name: labName, binary: filepath.Join(t.TempDir(), "lab")}
	if out, err := exec.Command("go", "build", "-o", l.binary, "..").CombinedOutput(); err != nil {
		t.Fatalf("building the lab: %v\n%s", err, out)
	}
	l.must("build")
	l.must("down")
	t.Cleanup(func() {
		if _, err := l.run("down"); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, l.binary, append([]string{"--name", l.name}, args...)...)
}

// run returns a lab command's standard output.
func (l *lab) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var out, stderr bytes.Buffer
	cmd := l.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("lab %s: %w\n%s%s", strings.Join(args, " "), err, stderr.String(), out.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (l *lab) must(args ...string) string {
	l.t.Helper()
	start := time.Now()
	out, err := l.run(args...)
	if err != nil {
		l.t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		l.t.Logf("lab %s: %s", strings.Join(args, " "), took.Round(100*time.Millisecond))
	}
	return out
}

// killAfter starts a command and kills it, and nothing but it, after a while.
func (l *lab) killAfter(after time.Duration, args ...string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	err := l.command(ctx, args...).Run()
	if exit := new(exec.ExitError); !errors.As(err, &exit) {
		l.t.Logf("lab %v was not killed after %s: %v", args, after, err)
	}
}

func (l *lab) pod(node string) string {
	l.t.Helper()
	return l.must("kubectl", "get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName="+node, "-o", "name")
}

func (l *lab) podIP(node string) string {
	l.t.Helper()
	return l.must("kubectl", "get", l.pod(node), "-o", "jsonpath={.status.podIP}") + ":8080"
}

func (l *lab) ready(node string) string {
	l.t.Helper()
	return l.must("kubectl", "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
}

// podtool is the path of podtool inside a node.
func (l *lab) podtool() string { return "/var/lib/netladder-lab/" + l.name + "/bin/podtool" }

// get fetches from an address out of the pod on a node.
func (l *lab) get(node, address string) error {
	_, err := l.run("kubectl", "exec", l.pod(node), "--", "/podtool", "get", "http://"+address)
	return err
}

func (l *lab) resolve(node, name string) error {
	_, err := l.run("kubectl", "exec", l.pod(node), "--", "/podtool", "resolve", name)
	return err
}

func (l *lab) wantSuccess(node, address string) {
	l.t.Helper()
	if err := l.get(node, address); err != nil {
		l.t.Errorf("from %s to %s: %v", node, address, err)
	}
}

func (l *lab) wantFailure(node, address string) {
	l.t.Helper()
	err := l.get(node, address)
	if err == nil {
		l.t.Errorf("from %s to %s: still works", node, address)
	} else if !strings.Contains(err.Error(), "podtool: ") {
		l.t.Errorf("from %s to %s: failed, but not for the network's sake: %v", node, address, err)
	}
}

// settled waits until every node's pod is the one that runs there now, with its present address.
func (l *lab) settled() {
	l.t.Helper()
	l.eventually(90*time.Second, func() error {
		for _, node := range nodes {
			pod, err := l.run("kubectl", "get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName="+node, "-o", "name")
			if err != nil || pod == "" || strings.Contains(pod, "\n") {
				return fmt.Errorf("%s has pods %q: %w", node, pod, err)
			}
			// What a pod says of itself and what the API says of it agree only when both are of today.
			address, err := l.run("kubectl", "get", pod, "-o", "jsonpath={.status.podIP}")
			if err != nil {
				return err
			}
			if _, err := l.run("kubectl", "exec", pod, "--", "/podtool", "get", "http://"+address+":8080"); err != nil {
				return err
			}
		}
		_, err := l.run("kubectl", "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=5s")
		return err
	})
}

func (l *lab) eventually(limit time.Duration, check func() error) {
	l.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("not after %s: %v", limit, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// buildImage makes a docker archive with the lab's own binary in it.
func (l *lab) buildImage(output, tag string) {
	l.t.Helper()
	cmd := exec.Command("go", "run", ".", "build", "--binary", l.binary, "--tag", tag, "--output", output, "--entrypoint", "/lab")
	cmd.Dir = "../../image"
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("building an image: %v\n%s", err, out)
	}
}
