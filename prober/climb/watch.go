// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package climb

import (
	"context"
	"time"
)

// Watch makes steps that no pair of this prober needs: at once, and then every
// 10 s for as long as they are watched. Those of the call before that are not
// among them are forgotten.
func (c *Climber) Watch(steps []Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.watched
	keys := c.take(steps, time.Time{})
	c.watched = make(map[Key]context.CancelFunc, len(keys))
	for _, k := range keys {
		if cancel, known := before[k]; known {
			c.watched[k] = cancel
			continue
		}
		ctx, cancel := context.WithCancel(c.root)
		c.watched[k] = cancel
		c.wg.Go(func() { c.look(ctx, k) })
	}
	for k, cancel := range before {
		if _, stays := c.watched[k]; !stays {
			cancel()
		}
		c.release([]Key{k})
	}
}

// look makes one step over and over.
func (c *Climber) look(ctx context.Context, k Key) {
	for {
		c.mu.Lock()
		if s := c.steps[k]; ctx.Err() == nil && s != nil && !s.running && c.underWay < maxUnderWay {
			c.start(s, c.o.Clock.Now())
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
	}
}
