{{/* Values that the schema can't refuse: each `fail` says what to change. */}}
{{- define "ticketstream.check" -}}
{{- include "ticketstream.checkReplicas" . -}}
{{- include "ticketstream.checkConnections" . -}}
{{- if and .Values.secrets.existing .Values.secrets.external.enabled -}}
{{- fail "secrets: the Secrets either exist or are made by the External Secrets Operator. Empty secrets.existing, or set secrets.external.enabled to false" -}}
{{- end -}}
{{- if and .Values.secrets.external.enabled (not .Values.secrets.external.store.name) -}}
{{- fail "secrets.external.store.name: which store is it? Name your SecretStore or ClusterSecretStore" -}}
{{- end -}}
{{- if and (hasPrefix "verify" .Values.postgresql.sslMode) (not .Values.postgresql.ca.secret) -}}
{{- fail (printf "postgresql.ca.secret: sslMode %s checks the server's certificate and needs the authority's. Name its Secret" .Values.postgresql.sslMode) -}}
{{- end -}}
{{- if and (not .Values.ingress.host) (or .Values.ingress.enabled (not .Values.publicUrl)) -}}
{{- fail "ingress.host: which name do senders use? Set it, or ingress.enabled to false and publicUrl" -}}
{{- end -}}
{{- if and .Values.consoleIngress.enabled (not .Values.consoleIngress.host) -}}
{{- fail "consoleIngress.host: under which name does your staff reach the console? Set it, or consoleIngress.enabled to false" -}}
{{- end -}}
{{- if and .Values.consoleIngress.enabled (eq .Values.consoleIngress.host .Values.ingress.host) -}}
{{- fail "consoleIngress.host: the console needs a name of its own, since its cookie is for the whole name" -}}
{{- end -}}
{{- end -}}

{{- define "ticketstream.checkReplicas" -}}
{{- range $name, $process := .Values.processes -}}
{{- with $process.replicas -}}
{{- if gt (int .min) (int .max) -}}
{{- fail (printf "processes.%s.replicas: min %d is more than max %d" $name (int .min) (int .max)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every process at its most replicas, one more of each while it is replaced, and commands at work. The other 30 % are the server's
own, a rollout's old workers that still finish their calls, and people's. */}}
{{- define "ticketstream.checkConnections" -}}
{{- $sum := 4 -}}
{{- $terms := list "commands 4" -}}
{{- range $name, $facts := include "ticketstream.facts" . | fromYaml -}}
{{- $replicas := 1 -}}
{{- with (index $.Values.processes $name).replicas -}}
{{- $replicas = int (ternary .min .max (eq $.Values.autoscaling.mode "none")) -}}
{{- end -}}
{{- if eq $facts.rollout "rolling" -}}
{{- $replicas = add $replicas 1 -}}
{{- end -}}
{{- $sum = add $sum (mul $replicas $facts.connections) -}}
{{- $terms = append $terms (printf "%s %d × %d" $name (int $replicas) (int $facts.connections)) -}}
{{- end -}}
{{- $limit := int .Values.postgresql.maxConnections -}}
{{- if gt (mul $sum 10) (mul $limit 7) -}}
{{- $needed := div (add (mul $sum 10) 6) 7 -}}
{{- fail (printf "postgresql.maxConnections: %d connections at most (%s), each process with one replica more while it is replaced, are more than 70 %% of %d. Raise max_connections of the server and this value to %d, or lower processes.*.replicas.max" (int $sum) (join ", " $terms) $limit (int $needed)) -}}
{{- end -}}
{{- end -}}
