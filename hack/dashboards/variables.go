// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// The variables of the dashboards have the same names everywhere, so that what
// was chosen on one is kept by a link to another.

func namespaceVariable() variable {
	return variable{name: "namespace", label: "Namespace", query: "label_values(netladder_path_state, check_namespace)"}
}

func checkVariable() variable {
	return variable{name: "check", label: "Check", query: `label_values(netladder_path_state{check_namespace=~"$namespace"}, check)`}
}

func pathVariable() variable {
	return variable{name: "path", label: "Path", query: `label_values(netladder_path_state{check_namespace=~"$namespace",check=~"$check"}, path)`}
}

func nodeVariable() variable {
	return variable{name: "node", label: "Node", query: "label_values(netladder_prober_assigned_pairs, node)"}
}

func pathVariables() []variable {
	return []variable{namespaceVariable(), checkVariable(), pathVariable()}
}

// one makes a variable of which exactly one value is chosen.
func one(v variable) variable {
	v.one = true
	return v
}

// toCheck leads from a row of a list to the details of its path.
func toCheck() *link {
	return &link{"Details of this path", "/d/netladder-check?var-namespace=${__data.fields.check_namespace}&var-check=${__data.fields.check}" +
		"&var-path=${__data.fields.path}&${datasource:queryparam}&${__url_time_range}"}
}

// toNode leads from a row of a list to what its node does not reach.
func toNode(label string) *link {
	return &link{"This node", "/d/netladder-mesh?var-node=${__data.fields." + label + "}&${datasource:queryparam}&${__url_time_range}"}
}

// pathColumns are how lists say which path a row is about.
func pathColumns() []column {
	return []column{
		{label: "check_namespace", title: "Namespace", width: 150}, {label: "check", title: "Check", width: 170, link: toCheck()},
		{label: "path", title: "Path", width: 170, link: toCheck()},
	}
}
