// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

const (
	headerBytes   = 128     // of each packet: addresses and ports are all that is read
	queueLength   = 4096    // packets that may wait for a verdict; more are lost, as on a busy node
	receiveBuffer = 4 << 20 // bytes
)

// serve judges what the kernel queues until ctx ends. The queue ends with the process: then the kernel passes everything.
func serve(ctx context.Context, judge *judge, o options) error {
	queue, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: uint16(o.queue), MaxPacketLen: headerBytes, MaxQueueLen: queueLength, Copymode: nfqueue.NfQnlCopyPacket,
		Flags: nfqueue.NfQaCfgFlagGSO, // packets need not be cut to size for being looked at
	})
	if err != nil {
		return fmt.Errorf("opening netfilter queue %d: %w", o.queue, err)
	}
	// A burst that does not fit loses packets and must not lose the queue.
	if err := errors.Join(queue.SetOption(netlink.NoENOBUFS, true), queue.Con.SetReadBuffer(receiveBuffer)); err != nil {
		return errors.Join(fmt.Errorf("setting up netfilter queue %d: %w", o.queue, err), queue.Close())
	}
	ended := make(chan error, 1)
	decide := func(packet nfqueue.Attribute) int {
		if err := answer(ctx, queue, judge, packet, uint32(o.mark)); err != nil {
			klog.ErrorS(err, "A packet has no verdict")
		}
		return 0
	}
	failed := func(err error) int {
		if temporary(err) {
			return 0
		}
		ended <- err
		return 1
	}
	if err := queue.RegisterWithErrorFunc(ctx, decide, failed); err != nil {
		return errors.Join(fmt.Errorf("binding to netfilter queue %d: %w", o.queue, err), queue.Close())
	}
	select {
	case <-ctx.Done():
		return queue.Close()
	case err := <-ended:
		return errors.Join(fmt.Errorf("reading netfilter queue %d: %w", o.queue, err), queue.Close())
	}
}

// answer lets a packet pass, marked if it is denied.
func answer(ctx context.Context, queue *nfqueue.Nfqueue, judge *judge, packet nfqueue.Attribute, mark uint32) error {
	if packet.PacketID == nil || packet.Payload == nil {
		return errors.New("the kernel queued something that is no packet")
	}
	allowed, err := judge.allows(ctx, *packet.Payload)
	if err != nil {
		klog.ErrorS(err, "Denied for want of a verdict")
	}
	if allowed {
		return queue.SetVerdict(*packet.PacketID, nfqueue.NfAccept)
	}
	if packet.Mark != nil {
		mark |= *packet.Mark // others have bits of their own
	}
	return queue.SetVerdictWithOption(*packet.PacketID, nfqueue.NfAccept, nfqueue.WithMark(mark))
}

// temporary errors do not end the queue. ENOENT is about a packet that was gone
// when its verdict came, as when its network device went.
func temporary(err error) bool {
	var operation *netlink.OpError
	return errors.As(err, &operation) && (operation.Timeout() || operation.Temporary()) || errors.Is(err, unix.ENOENT)
}
