// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"
)

// certificateValid is how long the certificate that an app begins with is valid.
const certificateValid = 90 * 24 * time.Hour

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// runApp is a test application: it listens on what it is told and counts what reaches it. Its listeners can be opened and
// closed while it runs.
func runApp(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("app", flag.ContinueOnError)
	addresses := map[kind]*list{}
	for _, each := range behaviours() {
		addresses[each.name] = &list{}
		flags.Var(addresses[each.name], string(each.name), "`ADDRESS` that "+each.does+" (repeatable)")
	}
	admin := flags.String("admin", "", "`ADDRESS` of the HTTP server that shows counters and opens and closes listeners")
	name := flags.String("certificate-name", "localhost", "`NAME` or address that the certificate of TLS listeners is for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("app takes flags only, not %q", flags.Args())
	}
	a, err := newApp()
	if err != nil {
		return err
	}
	if err := a.authority.issue(*name, certificateValid); err != nil {
		return err
	}
	defer a.closeAll()
	for _, each := range behaviours() {
		for _, address := range *addresses[each.name] {
			if err := a.open(listenerKey{kind: each.name, address: address}); err != nil {
				return err
			}
		}
	}
	if *admin == "" {
		<-ctx.Done()
		return nil
	}
	return serveHTTP(ctx, *admin, a.adminHandler())
}
