package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed files
var files embed.FS

// render fills in one of the embedded files.
func render(name string, data any) ([]byte, error) {
	functions := template.FuncMap{"join": strings.Join}
	parsed, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(files, "files/"+name)
	if err != nil {
		return nil, fmt.Errorf("reading template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("filling in %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// renderTo fills in one of the embedded files and puts it at path in one step.
func renderTo(path, name string, data any) error {
	content, err := render(name, data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	unfinished := filepath.Join(filepath.Dir(path), ".unfinished")
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
