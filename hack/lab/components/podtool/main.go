// Podtool is what the lab's own pods run: the pause process of every sandbox, and a small server and client with which the
// lab tests itself without any of the product's code.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	usage = `usage: podtool pause | serve [ADDRESS] | get URL | resolve NAME`
	// clientTimeout bounds what get and resolve wait for.
	clientTimeout = 3 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "podtool:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	switch {
	case len(args) == 1 && args[0] == "pause":
		return pause(ctx)
	case len(args) >= 1 && len(args) <= 2 && args[0] == "serve":
		return serve(ctx, append(args[1:], ":8080")[0])
	case len(args) == 2 && args[0] == "get":
		return get(ctx, args[1])
	case len(args) == 2 && args[0] == "resolve":
		return resolve(ctx, args[1])
	}
	return fmt.Errorf("cannot run %q\n%s", args, usage)
}

// pause waits for a signal and reaps orphans: it is PID 1 where containers share a PID namespace.
func pause(ctx context.Context) error {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-children:
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}

// serve answers every request with the host name and the caller's address.
func serve(ctx context.Context, address string) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading the host name: %w", err)
	}
	server := &http.Server{
		Addr:              address,
		ReadHeaderTimeout: clientTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s\n", host, r.RemoteAddr)
		}),
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return fmt.Errorf("serving on %s: %w", address, err)
	}
	return nil
}

// get prints the body of a URL, over a new connection.
func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("reading the URL: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(os.Stdout, io.LimitReader(response.Body, 1<<20)); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// resolve prints the addresses of a name.
func resolve(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, "\n"))
	return nil
}
