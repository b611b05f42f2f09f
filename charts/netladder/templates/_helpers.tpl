{{/*
Names are fixed: ProbeAssignments are named after nodes, so there can be only
one Netladder in a cluster.
*/}}

{{- define "netladder.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/*
labels of an object: its own, the chart's, and commonLabels; the first of them
wins. No key is there twice, which kustomize would refuse. Arguments: root,
labels.
*/}}
{{- define "netladder.labels" -}}
{{- $root := .root }}
{{- toYaml (merge (dict) .labels (dict
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/part-of" "netladder"
  "app.kubernetes.io/version" ($root.Chart.AppVersion | replace "+" "_" | trunc 63)
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63)
) $root.Values.commonLabels) }}
{{- end -}}

{{/*
component: labels by which the pods of one are found.
*/}}
{{- define "netladder.component" -}}
app.kubernetes.io/name: netladder
app.kubernetes.io/component: {{ . }}
{{- end -}}

{{/*
audits is "true" if the controller audits NetworkPolicies.
*/}}
{{- define "netladder.audits" -}}
{{- if eq .Values.audit "Auto" }}{{ eq .Values.level "Full" }}{{ else }}{{ eq .Values.audit "On" }}{{ end -}}
{{- end -}}

{{/*
enforcement is "true" if the check policy-enforcement is installed.
*/}}
{{- define "netladder.enforcement" -}}
{{- and .Values.canary.enabled .Values.checks.policyEnforcement.enabled -}}
{{- end -}}

{{/*
object: one object as YAML, with the release's namespace and the chart's labels.
Arguments: root, object.
*/}}
{{- define "netladder.object" -}}
{{- $root := .root }}
{{- $object := .object }}
{{- $meta := $object.metadata }}
{{- if $meta.namespace }}{{ $_ := set $meta "namespace" $root.Release.Namespace }}{{ end }}
{{- range $object.subjects }}{{ if eq (.namespace | default "") "netladder-system" }}{{ $_ := set . "namespace" $root.Release.Namespace }}{{ end }}{{ end }}
{{- $_ := set $meta "labels" (include "netladder.labels" (dict "root" $root "labels" ($meta.labels | default dict)) | fromYaml) }}
{{- with $root.Values.commonAnnotations }}{{ $_ := set $meta "annotations" (merge (dict) ($meta.annotations | default dict) .) }}{{ end }}
{{- toYaml $object }}
{{- end -}}

{{/*
file: every object of a file of files/, which is a copy of one of config/ that
hack/generate.sh makes. Arguments: root, path.
*/}}
{{- define "netladder.file" -}}
{{- $root := .root }}
{{- range splitList "\n---\n" (trimPrefix "---\n" ($root.Files.Get .path)) }}
---
{{ include "netladder.object" (dict "root" $root "object" (fromYaml .)) }}
{{- end }}
{{- end -}}

{{/*
resourceFlags of a DaemonSet. Arguments: role, resources.
*/}}
{{- define "netladder.resourceFlags" -}}
{{- with .resources.requests }}
{{- with .cpu }}
- --{{ $.role }}-cpu-request={{ . }}
{{- end }}
{{- with .memory }}
- --{{ $.role }}-memory-request={{ . }}
{{- end }}
{{- end }}
{{- with .resources.limits }}
{{- with .memory }}
- --{{ $.role }}-memory-limit={{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
crdsHook: metadata of what upgrades the CRDs, and goes when that has ended.
*/}}
{{- define "netladder.crdsHook" }}
  labels:
    {{- include "netladder.labels" (dict "root" . "labels" (include "netladder.component" "crds-upgrade" | fromYaml)) | nindent 4 }}
  annotations:
    {{- with omit .Values.commonAnnotations "helm.sh/hook" "helm.sh/hook-weight" "helm.sh/hook-delete-policy" "helm.sh/hook-output-log-policy" }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
    helm.sh/hook-output-log-policy: hook-failed
{{- end }}
