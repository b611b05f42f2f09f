// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOptionsValidate(t *testing.T) {
	good := func() Options {
		return Options{Namespace: "netladder-system", Image: "x", DeploymentName: "netladder-controller"}
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"good":          {func(*Options) {}, ""},
		"namespace":     {func(o *Options) { o.Namespace = "" }, "Namespace"},
		"image":         {func(o *Options) { o.Image = "" }, "Image"},
		"deployment":    {func(o *Options) { o.DeploymentName = "A_b" }, "DeploymentName"},
		"level Full":    {func(o *Options) { o.Level = "Full" }, ""},
		"level":         {func(o *Options) { o.Level = "full" }, `"full": must be Restricted, or Full`},
		"pull policy":   {func(o *Options) { o.ImagePullPolicy = "Sometimes" }, "ImagePullPolicy"},
		"pull secret":   {func(o *Options) { o.ImagePullSecrets = []string{"a/b"} }, "ImagePullSecrets"},
		"priority":      {func(o *Options) { o.PriorityClassName = "a b" }, "PriorityClassName"},
		"node selector": {func(o *Options) { o.NodeSelector = map[string]string{"a b": "c"} }, "NodeSelector"},
		"toleration":    {func(o *Options) { o.Tolerations = []corev1.Toleration{{Key: "a", Operator: "Exists", Value: "b"}} }, "takes no value"},
		"no key":        {func(o *Options) { o.Tolerations = []corev1.Toleration{{Effect: "NoSchedule"}} }, "must be Exists"},
		"effect":        {func(o *Options) { o.Tolerations = []corev1.Toleration{{Key: "a", Effect: "Never"}} }, "Never"},
		"operator":      {func(o *Options) { o.Tolerations = []corev1.Toleration{{Key: "a", Operator: "Is"}} }, "Exists or Equal"},
		"tolerations": {func(o *Options) {
			o.Tolerations = []corev1.Toleration{{Operator: "Exists"}, {Key: "a", Value: "b", Effect: "NoExecute"}}
		}, ""},
		"pod label":      {func(o *Options) { o.PodLabels = map[string]string{"a": "b c"} }, "PodLabels"},
		"own label":      {func(o *Options) { o.PodLabels = map[string]string{"app.kubernetes.io/name": "x"} }, "Netladder's own"},
		"pod annotation": {func(o *Options) { o.PodAnnotations = map[string]string{"a b": "c"} }, "PodAnnotations"},
		"budget":         {func(o *Options) { o.Budgets.Target = -1 }, "Budgets.Target"},
		"no number":      {func(o *Options) { o.Budgets.Namespace = math.NaN() }, "Budgets.Namespace"},
		"no limit":       {func(o *Options) { o.Budgets.Node = math.Inf(1) }, "Budgets.Node"},
		"size":           {func(o *Options) { o.AssignmentSizeLimit = -1 }, "AssignmentSizeLimit"},
	} {
		o := good()
		c.change(&o)
		err := o.Validate()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want something about %s", name, err, c.want)
		}
	}
}
