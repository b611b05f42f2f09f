// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
)

// pluginName is what kubectl looks for, and completionName what it asks for
// completions. Both are the same program as netladder, under another name.
const (
	pluginName     = "kubectl-netladder"
	completionName = "kubectl_complete-netladder"
)

// commandFor is the command that a program of this name is, and its arguments.
func commandFor(argv []string) (*cobra.Command, []string) {
	if len(argv) == 0 {
		return rootCommand(), nil
	}
	args := argv[1:]
	switch strings.TrimSuffix(filepath.Base(argv[0]), ".exe") {
	case pluginName:
		return pluginCommand(), args
	case completionName:
		return pluginCommand(), append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return rootCommand(), args
}

// pluginCommand is the program as kubectl's plugin.
func pluginCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           pluginName,
		Short:         "See what of the network is broken, try a path, and write checks from NetworkPolicies",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl netladder"},
	}
	root.AddCommand(userCommands(newPlugin)...)
	return root
}

// userCommands are what somebody at a terminal asks for.
func userCommands(plugin func() *plugin) []*cobra.Command {
	commands := []*cobra.Command{statusCommand(plugin()), probeCommand(plugin()), suggestCommand(plugin())}
	for _, cmd := range commands {
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if errors.Is(err, context.Canceled) {
				return errInterrupted
			}
			return err
		}
	}
	return commands
}

// errInterrupted is an error, unlike the end of a controller that was told to
// stop: code 0 would tell a script that all is well.
var errInterrupted = errors.New("interrupted")

// exitCode ends the program with a code and no message: all was said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// plugin is what the commands of kubectl's plugin share.
type plugin struct {
	loading   *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
	// home is Netladder's own namespace.
	home   string
	output string
	ascii  bool
	// now is the time, and connect finds the API server; tests have their own.
	now     func() time.Time
	connect func() (client.WithWatch, string, error)
}

func newPlugin() *plugin {
	p := &plugin{loading: clientcmd.NewDefaultClientConfigLoadingRules(), now: time.Now}
	p.connect = p.dial
	return p
}

// register adds the flags that kubectl has too, and those that all commands of
// the plugin have.
func (p *plugin) register(flags *pflag.FlagSet) {
	flags.StringVar(&p.loading.ExplicitPath, "kubeconfig", "", "path to the kubeconfig file")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ContextOverrideFlags.Namespace.Description = "namespace; default that of the context"
	clientcmd.BindOverrideFlags(&p.overrides, flags, names)
	flags.StringVar(&p.home, "netladder-namespace", "netladder-system", "the namespace Netladder is installed in")
	flags.StringVarP(&p.output, "output", "o", "", "json or yaml; default is text for people")
	flags.BoolVar(&p.ascii, "ascii", false, "draw with ASCII characters only; default where the output is no terminal")
}

// dial makes a client of the cluster that kubectl would use, and finds the
// namespace that it would.
func (p *plugin) dial() (client.WithWatch, string, error) {
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(p.loading, &p.overrides)
	namespace, _, err := config.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	rest.UserAgent = pluginName + "/" + version
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, "", fmt.Errorf("making the scheme: %w", err)
	}
	c, err := client.NewWithWatch(rest, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", fmt.Errorf("connecting to the cluster: %w", err)
	}
	return c, namespace, nil
}

// outputs that every command knows, and validOutput whether what was asked for
// is one of them.
func outputs() []string { return []string{"json", "yaml"} }

func (p *plugin) validOutput() error {
	switch p.output {
	case "", "json", "yaml":
		return nil
	}
	return fmt.Errorf("--output %q: use json or yaml, or leave it out for text", p.output)
}

// print writes a value as JSON or YAML.
func (p *plugin) print(w io.Writer, value any) error {
	if p.output == "yaml" {
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("encoding: %w", err)
		}
		_, err = w.Write(text)
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// tell somebody at a terminal what goes on. Where it cannot be written nobody
// reads it.
func tell(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// style of drawings on an output: what its terminal can show.
func (p *plugin) style(w io.Writer) overview.Style {
	s := overview.Style{ASCII: true, Now: p.now()}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.ASCII = p.ascii || !utf8Locale(os.Getenv)
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			s.Width = min(max(width, 60), 140)
		}
	}
	return s
}

// utf8Locale says whether the terminal is said to show more than ASCII.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// explain says what an answer of the API server means for somebody who did not
// install Netladder.
func explain(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%s: Netladder is not installed in this cluster: it has no ConnectivityChecks", what)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; ask for the ClusterRole netladder-viewer or netladder-editor there", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
