// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overview

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// Style of a drawing.
type Style struct {
	// ASCII is for terminals and files that show nothing else.
	ASCII bool
	// Width of a line in characters; 0 means 100.
	Width int
	// Everywhere is true of a report about all namespaces.
	Everywhere bool
	// Now is what ages are counted to.
	Now time.Time
}

// maxListed is how many paths of one cause are listed.
const maxListed = 10

const indent = "    "

// Draw is a report for people.
func Draw(r *Report, s Style) string {
	var b strings.Builder
	b.WriteString(headline(r, s) + "\n")
	for i := range r.Causes {
		b.WriteString("\n")
		drawCause(&b, &r.Causes[i], s)
	}
	drawPaths(&b, Slow, "Degraded: slow, or one in ten probes is lost", r.Degraded, s)
	for i := range r.Unknown {
		u := &r.Unknown[i]
		drawPaths(&b, NotKnown, "Unknown: "+u.Reason, u.Paths, s)
	}
	if len(r.Suspended) > 0 {
		b.WriteString("\n")
		Wrap(&b, "", "Suspended: "+strings.Join(r.Suspended, ", "), s)
	}
	return b.String()
}

// headline says in one line how things are.
func headline(r *Report, s Style) string {
	of := fmt.Sprintf("%s of %s", words.Plural(r.Paths.total(), "1 path", "%d paths"), words.Plural(r.Checks, "1 check", "%d checks"))
	switch {
	case r.Checks == 0 && s.Everywhere:
		return "There are no checks in any namespace: kubectl netladder suggest drafts some"
	case r.Checks == 0:
		return "There are no checks here: -A looks at all namespaces"
	case len(r.Causes) == 0 && len(r.Unknown) == 0 && len(r.Degraded) == 0:
		return "Healthy: " + of
	}
	var parts []string
	if n := len(r.Causes); n > 0 {
		parts = append(parts, fmt.Sprintf("broken: %s, %s", words.Plural(r.Paths.Failing, "1 path", "%d paths"), words.Plural(n, "1 cause", "%d causes")))
	}
	if n := len(r.Degraded); n > 0 {
		parts = append(parts, fmt.Sprintf("degraded: %d", n))
	}
	unknown := 0
	for i := range r.Unknown {
		unknown += len(r.Unknown[i].Paths)
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("unknown: %d", unknown))
	}
	text := strings.Join(parts, "; ") + "; of " + of
	return strings.ToUpper(text[:1]) + text[1:]
}

func (c Counts) total() int { return c.Passing + c.Degraded + c.Failing + c.Unknown + c.Pending }

func drawCause(b *strings.Builder, c *Cause, s Style) {
	title := mark(Broken, s) + " " + string(c.Rung)
	if c.Rung == v1alpha1.RungUndetermined {
		title = mark(Broken, s) + " Not determined"
	}
	if c.Object != "" {
		title += ": " + c.Object
	}
	if c.Reason != "" {
		title += " (" + c.Reason + ")"
	}
	fmt.Fprintf(b, "%s, %s of %s, for %s\n\n", Clean(title), words.Plural(len(c.Paths), "1 path", "%d paths"),
		words.Plural(c.Checks, "1 check", "%d checks"), Age(c.Since, s.Now))
	b.WriteString(DrawLadder(c.Ladder, s) + "\n")
	Wrap(b, indent, c.Message, s)
	b.WriteString("\n")
	for i := range c.Paths[:min(len(c.Paths), maxListed)] {
		fmt.Fprintf(b, "%s%s %s\n", indent, label("paths:", i), Clean(c.Paths[i].String()+expected(&c.Paths[i])))
	}
	if n := len(c.Paths) - maxListed; n > 0 {
		fmt.Fprintf(b, "%s       and %d more\n", indent, n)
	}
	for i, next := range c.Next {
		fmt.Fprintf(b, "%s%s %s\n", indent, label("next:", i), Clean(next))
	}
}

func expected(p *Path) string {
	if p.Expect == v1alpha1.ExpectDeny {
		return " (expect Deny)"
	}
	return ""
}

// label of the first of several lines.
func label(text string, i int) string {
	if i > 0 {
		text = ""
	}
	return fmt.Sprintf("%-6s", text)
}

// DrawLadder draws rungs, the bottom one last.
func DrawLadder(steps []Step, s Style) string {
	var b strings.Builder
	left, right := "┃", "┃"
	if s.ASCII {
		left, right = "|", "|"
	}
	for _, step := range steps {
		line := fmt.Sprintf("%s%s %s %s %s", indent, left, mark(step.Mark, s), fmt.Sprintf("%-11s", step.Rung), right)
		if step.Why != "" {
			line += " " + Clean(step.Why)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func mark(m Mark, s Style) string {
	switch m {
	case Works:
		if s.ASCII {
			return "ok"
		}
		return "✓"
	case Broken:
		if s.ASCII {
			return "XX"
		}
		return "✗"
	case Slow:
		if s.ASCII {
			return "~~"
		}
		return "~"
	}
	if s.ASCII {
		return "??"
	}
	return "?"
}

// drawPaths lists paths with what is said of each; the same sentence once.
func drawPaths(b *strings.Builder, m Mark, title string, paths []Path, s Style) {
	if len(paths) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s %s, %s\n", mark(m, s), Clean(title), words.Plural(len(paths), "1 path", "%d paths"))
	for i := range paths[:min(len(paths), maxListed)] {
		p := &paths[i]
		text := p.String() + expected(p)
		if !p.Since.IsZero() {
			text += ", for " + Age(p.Since, s.Now)
		}
		if p.Message != "" {
			text += ": " + p.Message
		}
		Wrap(b, indent, text, s)
	}
	if n := len(paths) - maxListed; n > 0 {
		fmt.Fprintf(b, "%sand %d more\n", indent, n)
	}
}

// Wrap writes a text in lines, each after an indent.
func Wrap(b *strings.Builder, indent, text string, s Style) {
	width := cmp.Or(s.Width, 100) - len(indent)
	line := ""
	for _, word := range strings.Fields(Clean(text)) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			b.WriteString(indent + line + "\n")
			line = word
		default:
			line += " " + word
		}
	}
	b.WriteString(indent + line + "\n")
}

// Clean keeps what somebody wrote into an object from moving the cursor, and
// from turning the direction of what is beside it.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
