// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Fleet is the ConfigMap that tells probers what is the same for all of them:
// a v1alpha1.Fleet as JSON.
func Fleet(s Settings, fleet string) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(v1alpha1.FleetName, s.Namespace).
		WithLabels(Labels(ComponentProber)).
		WithOwnerReferences(s.Owner.reference()).
		WithData(map[string]string{v1alpha1.FleetFile: fleet})
}
