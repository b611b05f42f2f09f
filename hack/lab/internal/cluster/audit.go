// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// The audit log is bounded: the file that is written, and so many full ones.
const (
	auditMegabytes = "64"
	auditFull      = "3"
)

func (c *Cluster) auditPolicyFile() string { return c.lab.Path("audit-policy.yaml") }

func (c *Cluster) auditLogFile() string {
	return filepath.Join(filepath.Dir(c.lab.LogFile(layout.ControlPlane, kubeAPIServer)), "audit.jsonl")
}

// auditFlags make the API server keep an audit log.
func (c *Cluster) auditFlags() []string {
	return []string{
		"--audit-policy-file=" + c.auditPolicyFile(), "--audit-log-path=" + c.auditLogFile(),
		"--audit-log-maxsize=" + auditMegabytes, "--audit-log-maxbackup=" + auditFull,
	}
}

// AuditLog writes what the API server noted, one JSON object a line, the oldest
// first.
func (c *Cluster) AuditLog(out io.Writer) error {
	// The full ones carry the time at which they were, and sort by it; the one
	// that is written comes last.
	full, err := filepath.Glob(filepath.Join(filepath.Dir(c.auditLogFile()), "audit-*.jsonl"))
	if err != nil {
		return fmt.Errorf("looking for audit logs: %w", err)
	}
	slices.Sort(full)
	for _, path := range append(full, c.auditLogFile()) {
		if err := appendFile(out, path); err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
	}
	return nil
}

func appendFile(out io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
