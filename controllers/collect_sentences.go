// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

const (
	// maxSentences bounds netladder_path_diagnosis_info over all checks.
	maxSentences = 100
	// maxSentence is how long a sentence in a label is, in bytes.
	maxSentence = 300
)

// collectSentences exports what the diagnoses of failing paths say, for the text
// of alerts.
func (c *collector) collectSentences(judged []check, gauge gauges) {
	shown := 0
	for i := range judged {
		of := judged[i].object
		for k := range judged[i].status.Paths {
			path := &judged[i].status.Paths[k]
			d := path.Diagnosis
			if _, _, ok := declared(of, path.Name); !ok || d == nil || path.State != v1alpha1.StateFailing || shown == maxSentences {
				continue
			}
			shown++
			gauge(c.diagnosisInfo, 1, of.Namespace, of.Name, path.Name, string(d.Rung), valid(d.Reason), judged[i].sentences[path.Name])
		}
	}
}

// sentence is the first one of a text, as a label can hold it.
func sentence(text string) string {
	text = valid(text)
	if first, _, ok := strings.Cut(text, ". "); ok {
		text = first
	}
	if len(text) <= maxSentence {
		return text
	}
	const ellipsis = "…"
	end := maxSentence - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// duration matches what differs from one probe to the next in sentences that
// say the same.
var duration = regexp.MustCompile(`[0-9][0-9.]*(?: ?(?:ns|µs|ms|s|m|h)\b)`)

// sameBut is true of texts that differ by durations alone.
func sameBut(a, b string) bool {
	return a == b || duration.ReplaceAllString(a, "") == duration.ReplaceAllString(b, "")
}

// keepTexts does for causes what sentencesOf does for paths.
func keepTexts(now, before []causes.Found) {
	for i := range now {
		f := &now[i]
		at := slices.IndexFunc(before, func(b causes.Found) bool {
			return b.Path == f.Path && b.Rung == f.Rung && b.Object == f.Object && slices.Equal(b.Nodes, f.Nodes)
		})
		if at >= 0 && sameBut(before[at].Text, f.Text) {
			f.Text = before[at].Text
		}
	}
}

// sentencesOf are what the diagnoses of a status say, by path. A sentence that
// differs from the one before by no more than how long something took is kept:
// each other one is a new series.
func sentencesOf(status *v1alpha1.ConnectivityCheckStatus, before map[string]string) map[string]string {
	var out map[string]string
	for i := range status.Paths {
		path := &status.Paths[i]
		if path.Diagnosis == nil {
			continue
		}
		said := sentence(path.Diagnosis.Message)
		if old, ok := before[path.Name]; ok && sameBut(old, said) {
			said = old
		}
		if out == nil {
			out = map[string]string{}
		}
		out[path.Name] = said
	}
	return out
}
