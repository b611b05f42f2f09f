package components

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestKeyChangesWithWhatIsBuilt(t *testing.T) {
	source := t.TempDir()
	dir := filepath.Join(source, "components", "etcd")
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	family := Family{Name: "etcd"}
	key := func() string {
		t.Helper()
		k, err := family.Key(source)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write("go.mod", "module a\n")
	write("go.sum", "b")
	first := key()
	if again := key(); again != first {
		t.Errorf("the same input has keys %s and %s", first, again)
	}
	write("main_test.go", "package main\n")
	if tested := key(); tested != first {
		t.Errorf("with a test the key is %s, without %s", tested, first)
	}
	seen := map[string]string{first: "before"}
	for _, step := range []struct {
		what   string
		change func()
	}{
		{"go.mod", func() { write("go.mod", "module c\n") }},
		{"go.sum", func() { write("go.sum", "d") }},
		{"a source file", func() { write("main.go", "package main\n") }},
		{"flags", func() { family.LDFlags = "-X a.b=c" }},
		{"tags", func() { family.Tags = "a" }},
	} {
		step.change()
		if k := key(); seen[k] != "" {
			t.Errorf("after changing %s the key is that of %s", step.what, seen[k])
		} else {
			seen[k] = step.what
		}
	}
}

// The version in the table is stamped into binaries; it has to be the one that go.mod builds.
func TestVersionsAgreeWithGoMod(t *testing.T) {
	for _, family := range Families() {
		if family.Module == "" {
			continue
		}
		content, err := os.ReadFile(filepath.Join("..", "..", "components", family.Name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(family.Module) + ` (\S+)`).FindSubmatch(content)
		if line == nil || string(line[1]) != family.Version {
			t.Errorf("%s: go.mod requires %q of %s, the table says %s", family.Name, line, family.Module, family.Version)
		}
	}
}

func TestSelections(t *testing.T) {
	selected := map[Selection][]string{}
	for _, family := range Families() {
		for _, binary := range family.Binaries {
			for _, s := range []Selection{All, Envtest, Monitoring} {
				if s.wants(binary.Name) {
					selected[s] = append(selected[s], binary.Name)
				}
			}
			if All.wants(binary.Name) == Monitoring.wants(binary.Name) {
				t.Errorf("%s: in both or none of what a cluster needs and what few need", binary.Name)
			}
		}
	}
	if n := len(selected[Envtest]); n != len(envtestBinaries) {
		t.Errorf("envtest selects %v, want %v", selected[Envtest], envtestBinaries)
	}
	if n := len(selected[Monitoring]); n != len(monitoringBinaries) {
		t.Errorf("monitoring selects %v, want %v", selected[Monitoring], monitoringBinaries)
	}
}

func TestParseSelection(t *testing.T) {
	for _, text := range []string{"all", "envtest", "monitoring"} {
		if s, err := ParseSelection(text); err != nil || string(s) != text {
			t.Errorf("%s: %q, %v", text, s, err)
		}
	}
	if _, err := ParseSelection("everything"); err == nil {
		t.Error("takes a word that means nothing")
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("NETLADDER_CACHE", "")
	for _, step := range []struct{ name, value, want string }{
		{"", "", "/home/me/.cache/netladder"},
		{"XDG_CACHE_HOME", "/xdg", "/xdg/netladder"},
		{"NETLADDER_CACHE", "/mine", "/mine"},
	} {
		if step.name != "" {
			t.Setenv(step.name, step.value)
		}
		if got, err := CacheDir(); err != nil || got != step.want {
			t.Errorf("with %s: %s, %v; want %s", step.name, got, err, step.want)
		}
	}
}
