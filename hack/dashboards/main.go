// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Command dashboards writes the Grafana dashboards of config/grafana, and what
// docs/dashboards.md says about each panel. The dashboards are described in this
// folder, one file each; Grafana's own types make the JSON.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "the folder of the repository")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// boards in the order in which links show them.
func boards() []board {
	return []board{overview(), check(), mesh(), dns(), overlay(), self()}
}

func write(root string) error {
	all := boards()
	folder := filepath.Join(root, "config", "grafana")
	for i := range all {
		text, err := all[i].json(all)
		if err != nil {
			return fmt.Errorf("dashboard %s: %w", all[i].name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, all[i].name+".json"), text, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "no-data.yaml"), noData(all), 0o644); err != nil {
		return err
	}
	return document(filepath.Join(root, "docs", "dashboards.md"), all)
}

// json is what Grafana reads.
func (b *board) json(all []board) ([]byte, error) {
	d := b.grafana(all)
	if err := d.Validate(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	// For people to read: nobody puts this into a page of HTML.
	for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		text = bytes.ReplaceAll(text, []byte(escaped), []byte(plain))
	}
	return append(text, '\n'), nil
}
