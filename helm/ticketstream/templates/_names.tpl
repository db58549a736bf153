{{/* Names and labels. A process's objects are called after it, with hyphens; the label component has its name as it is. */}}

{{/* Short enough for the longest name made of it, …-feedback-aggregate-internal, to be a Service's. */}}
{{- define "ticketstream.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{/* Of a process: dict root, name. */}}
{{- define "ticketstream.processName" -}}
{{- printf "%s-%s" (include "ticketstream.fullname" .root) (replace "_" "-" .name) -}}
{{- end -}}

{{- define "ticketstream.secretName" -}}
{{- printf "%s-%s" (default (include "ticketstream.fullname" .root) .root.Values.secrets.existing) (replace "_" "-" .name) -}}
{{- end -}}

{{/* What no upgrade changes: dict root, and name for those of one process. */}}
{{- define "ticketstream.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Of pods: a new chart with nothing new for them doesn't replace them. */}}
{{- define "ticketstream.podLabels" -}}
{{ include "ticketstream.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{- define "ticketstream.labels" -}}
{{ include "ticketstream.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "ticketstream.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ticketstream.publicUrl" -}}
{{- default (printf "https://%s" .Values.ingress.host) .Values.publicUrl -}}
{{- end -}}

{{/* Facts of all processes, which files/processes.yaml explains. */}}
{{- define "ticketstream.facts" -}}
{{ .Files.Get "files/processes.yaml" }}
{{- end -}}

{{/* "true" for a process of several replicas: dict root, facts. */}}
{{- define "ticketstream.scaled" -}}
{{- if ne .facts.scales "one" -}}true{{- end -}}
{{- end -}}
