// Package forward carries TCP connections from the machine's loopback into a network namespace.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const dialTimeout = 5 * time.Second

// ListenerFD is the descriptor on which the process that runs Run inherits its listening socket.
const ListenerFD = 3

// Run accepts connections on the inherited socket and carries each to target, until ctx ends.
func Run(ctx context.Context, target string) error {
	listener, err := net.FileListener(os.NewFile(ListenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("taking over the listening socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		near, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections: %w", err)
		}
		go carry(ctx, near, target)
	}
}

// carry copies both ways until both sides are done; a target that does not answer closes the connection.
func carry(ctx context.Context, near net.Conn, target string) {
	defer func() { _ = near.Close() }()
	dialer := net.Dialer{Timeout: dialTimeout}
	far, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			// The half that is done says so; the other may still have much to say.
			if half, ok := way[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
}
