// Renders a chart as `helm template` does, for machines that can get no helm: Go's templates, sprig's functions, and the
// few functions and objects that Helm adds. A check of our templates, not a Helm: no hooks, no dependencies, no cluster.
//
//	chart-render <chart> <release> <namespace> [<values.yaml>]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

const kubeVersion = "v1.36.0"

type table = map[string]interface{}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: chart-render <chart> <release> <namespace> [<values.yaml>]")
	}
	chart := os.Args[1]
	values := read(filepath.Join(chart, "values.yaml"))
	if len(os.Args) > 4 {
		merge(values, read(os.Args[4]))
	}
	about := read(filepath.Join(chart, "Chart.yaml"))
	context := table{
		"Values": values,
		"Release": table{"Name": os.Args[2], "Namespace": os.Args[3], "Service": "Helm", "Revision": 1,
			"IsInstall": true, "IsUpgrade": false},
		"Chart":        table{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Capabilities": table{"KubeVersion": table{"Version": kubeVersion, "Major": "1", "Minor": "36"}},
	}
	for _, rendered := range render(filepath.Join(chart, "templates"), context) {
		fmt.Println(rendered)
	}
}

func render(directory string, context table) []string {
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	files, err := filepath.Glob(filepath.Join(directory, "*"))
	check(err)
	sort.Strings(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		_, err = root.New(filepath.Base(file)).Parse(string(text))
		check(err)
	}
	var out []string
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		text := execute(root, name, context)
		if name == "NOTES.txt" {
			text = "# " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n# ")
		}
		out = append(out, "---\n# Source: "+name+"\n"+text)
	}
	return out
}

func functions(root *template.Template) template.FuncMap {
	added := template.FuncMap{
		"include": func(name string, data interface{}) string { return execute(root, name, data) },
		"lookup":  func(...string) table { return table{} },
		"toYaml": func(value interface{}) string {
			text, err := yaml.Marshal(value)
			check(err)
			return strings.TrimSuffix(string(text), "\n")
		},
		"fromJsonArray": func(text string) (out []interface{}, err error) {
			err = json.Unmarshal([]byte(text), &out)
			return
		},
		"required": func(message string, value interface{}) (interface{}, error) {
			if value == nil || value == "" {
				return nil, errors.New(message)
			}
			return value, nil
		},
	}
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	for name, function := range added {
		all[name] = function
	}
	return all
}

func execute(root *template.Template, name string, data interface{}) string {
	var out bytes.Buffer
	check(root.ExecuteTemplate(&out, name, data))
	return strings.ReplaceAll(out.String(), "<no value>", "")
}

func read(path string) table {
	text, err := os.ReadFile(path)
	check(err)
	out := table{}
	check(yaml.Unmarshal(text, &out))
	return out
}

// merge puts what the user says over the defaults; null takes a default away.
func merge(defaults, user table) {
	for key, value := range user {
		inner, isTable := value.(table)
		old, wasTable := defaults[key].(table)
		switch {
		case value == nil:
			delete(defaults, key)
		case isTable && wasTable:
			merge(old, inner)
		default:
			defaults[key] = value
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
