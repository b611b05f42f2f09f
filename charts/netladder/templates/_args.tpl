{{/*
args of the controller. What has its default is left out.
*/}}
{{- define "netladder.args" -}}
- controller
- --namespace=$(POD_NAMESPACE)
- --deployment-name=netladder-controller
- --image=$(NETLADDER_IMAGE)
- --leader-elect
- --metrics-bind-address=:8443
- --health-probe-bind-address=:8081
{{- if eq .Values.level "Full" }}
- --level=Full
{{- end }}
{{- if eq .Values.audit "On" }}
- --audit
{{- else if eq .Values.audit "Off" }}
- --audit=false
{{- end }}
{{- if not .Values.canary.enabled }}
- --canary=false
{{- end }}
{{- with .Values.image.pullPolicy }}
- --image-pull-policy={{ . }}
{{- end }}
{{- range .Values.image.pullSecrets }}
- --image-pull-secret={{ . }}
{{- end }}
{{- range $key, $value := .Values.pods.nodeSelector }}
- {{ printf "--node-selector=%s=%s" $key $value | quote }}
{{- end }}
{{- if ne (toJson .Values.pods.tolerations) `[{"operator":"Exists"}]` }}
- {{ printf "--tolerations=%s" (toJson .Values.pods.tolerations) | quote }}
{{- end }}
{{- with .Values.pods.labels }}
- {{ printf "--pod-labels=%s" (toJson .) | quote }}
{{- end }}
{{- with .Values.pods.annotations }}
- {{ printf "--pod-annotations=%s" (toJson .) | quote }}
{{- end }}
{{- with .Values.pods.priorityClassName }}
- --priority-class={{ . }}
{{- end }}
{{- include "netladder.resourceFlags" (dict "role" "prober" "resources" .Values.prober.resources) }}
{{- include "netladder.resourceFlags" (dict "role" "echo" "resources" .Values.echo.resources) }}
{{- if .Values.canary.enabled }}
{{- include "netladder.resourceFlags" (dict "role" "canary" "resources" .Values.canary.resources) }}
{{- end }}
{{- with .Values.budgets.target }}
- --target-budget={{ . }}
{{- end }}
{{- with .Values.budgets.namespace }}
- --namespace-budget={{ . }}
{{- end }}
{{- with .Values.budgets.node }}
- --node-budget={{ . }}
{{- end }}
{{- with .Values.controller.assignmentSizeLimit }}
- --assignment-size-limit={{ int . }}
{{- end }}
{{- if .Values.metrics.certificateSecret }}
- --metrics-cert-dir=/etc/netladder-certificate
{{- end }}
{{- with .Values.controller.logVerbosity }}
- --v={{ . }}
{{- end }}
{{- range .Values.controller.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
