// Lab runs a real multi-node Kubernetes cluster on one Linux machine: see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	// A program that the lab only passes on to (kubectl, exec) has said what is wrong and has an exit code of its own.
	if passed := new(exec.ExitError); errors.As(err, &passed) && errors.Is(err, errPassedOn) {
		os.Exit(max(1, passed.ExitCode()))
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	os.Exit(1)
}

// errPassedOn marks the failure of a program that the lab ran on the user's behalf.
var errPassedOn = errors.New("the program failed")
