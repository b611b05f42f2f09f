// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

func groupKey(check types.NamespacedName, path string, kind v1alpha1.ProbeKind) string {
	return check.Namespace + "/" + check.Name + "/" + path + "/" + string(kind)
}

// ParseGroupKey takes the key of a group apart; ok is false if it is none.
func ParseGroupKey(key string) (check types.NamespacedName, path string, kind v1alpha1.ProbeKind, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return types.NamespacedName{}, "", "", false
	}
	for _, p := range parts {
		if p == "" {
			return types.NamespacedName{}, "", "", false
		}
	}
	return types.NamespacedName{Namespace: parts[0], Name: parts[1]}, parts[2], v1alpha1.ProbeKind(parts[3]), true
}
