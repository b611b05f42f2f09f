// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package envtest starts a real Kubernetes API server for tests: etcd and
// kube-apiserver, without nodes, schedulers or controllers, with Netladder's
// CRDs installed.
package envtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"k8s.io/client-go/rest"
	crenvtest "sigs.k8s.io/controller-runtime/pkg/envtest"
)

// help says how to get the binaries.
const help = "tests of this package need the binaries etcd and kube-apiserver: set KUBEBUILDER_ASSETS to their directory, " +
	"or build them once (minutes) with: cd hack/lab && go build -o ../../bin/lab . && ../../bin/lab assets"

// Server is a running API server.
type Server struct {
	// Config of an administrator.
	Config *rest.Config

	environment *crenvtest.Environment
}

// Start starts a server. Stop it, or its processes stay.
func Start() (*Server, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	assets, err := findAssets(root)
	if err != nil {
		return nil, err
	}
	environment := &crenvtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd")},
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		return nil, fmt.Errorf("starting the API server of %s: %w", assets, errors.Join(err, environment.Stop()))
	}
	return &Server{Config: config, environment: environment}, nil
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	if err := s.environment.Stop(); err != nil {
		return fmt.Errorf("stopping the API server: %w", err)
	}
	return nil
}

// Path is the path of a file in the repository, for example
// Path("config", "crd").
func Path(elements ...string) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root}, elements...)...), nil
}

// repository is the root of the clone that this file was compiled from.
func repository() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("finding the repository: the binary holds no file names")
	}
	root := filepath.Join(filepath.Dir(file), "..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	return root, nil
}

// findAssets is the directory of the binaries, by the environment or by the
// lab, which builds them if they are missing.
func findAssets(root string) (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return assets, nil
	}
	lab := filepath.Join(root, "bin", "lab")
	if _, err := os.Stat(lab); err != nil {
		return "", errors.New(help)
	}
	command := exec.Command(lab, "assets")
	command.Dir = root
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s\nbin/lab assets failed: %w\n%s", help, err, problems.String())
	}
	return strings.TrimSpace(string(out)), nil
}
