// Podtool is what the lab's own pods run: the pause process of every sandbox, and small servers and clients for tests, without
// any of the product's code. A node's metadata server is one of them.
package main

import (
	"context"
	"flag"
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
	usage = `usage: podtool pause | serve [ADDRESS] | serve-hostname [--port PORT] | app FLAGS | metadata ADDRESS | get URL | post URL | resolve NAME | dial [FLAGS] tcp|udp ADDRESS`
	// clientTimeout bounds what get, post and resolve wait for.
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
	case len(args) >= 1 && args[0] == "serve-hostname":
		return serveHostname(ctx, args[1:])
	case len(args) >= 1 && args[0] == "app":
		return runApp(ctx, args[1:])
	case len(args) == 2 && args[0] == "metadata":
		return serveMetadata(ctx, args[1])
	case len(args) >= 1 && args[0] == "dial":
		return runDial(args[1:])
	case len(args) == 2 && args[0] == "get":
		return fetch(ctx, http.MethodGet, args[1])
	case len(args) == 2 && args[0] == "post":
		return fetch(ctx, http.MethodPost, args[1])
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
	return serveHTTP(ctx, address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s\n", host, r.RemoteAddr)
	}))
}

// serveHostname is serve by the words of Kubernetes' own test image agnhost, so that examples for any cluster run here with nothing
// but the image's name changed.
func serveHostname(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve-hostname", flag.ContinueOnError)
	port := flags.Int("port", 9376, "`PORT` of the HTTP server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serve(ctx, fmt.Sprintf(":%d", *port))
}

// serveMetadata answers as a cloud's metadata service does, with the node's name.
func serveMetadata(ctx context.Context, address string) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading the host name: %w", err)
	}
	values := map[string]string{"": "hostname\ninstance-id\n", "hostname": host + "\n", "instance-id": "i-" + host + "\n"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /latest/meta-data/{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, found := values[r.PathValue("key")]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, value)
	})
	return serveHTTP(ctx, address, mux)
}

func serveHTTP(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, ReadHeaderTimeout: clientTimeout, Handler: handler}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return fmt.Errorf("serving on %s: %w", address, err)
	}
	return nil
}

// fetch prints the answer of a URL, over a new connection.
func fetch(ctx context.Context, method, url string) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
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
