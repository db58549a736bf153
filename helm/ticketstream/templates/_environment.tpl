{{/* The variables of processes: each gets what .env.example names it for, and no other's secret. Kubernetes takes secrets from Secrets;
the chart has no value that holds one. */}}

{{/* Of one process: dict root, name, facts. */}}
{{- define "ticketstream.environment" -}}
{{- $values := .root.Values -}}
{{- $secret := include "ticketstream.secretName" . -}}
- {name: TICKETSTREAM_INTERNAL_HOST, value: 0.0.0.0}
- {name: TICKETSTREAM_INTERNAL_PORT, value: "9090"}
- {name: TICKETSTREAM_LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: TICKETSTREAM_ISOLATION_PROBE_SECONDS, value: {{ $values.isolationProbeSeconds | quote }}}
{{- if $values.tracing.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $values.tracing.endpoint | quote }}}
{{- if lt (float64 $values.tracing.sampleRatio) 1.0 }}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $values.tracing.sampleRatio | quote }}}
{{- end }}
{{- end }}
{{ include "ticketstream.database" (dict "root" .root "role" .name "secret" $secret) }}
{{- with .facts.alsoAs }}
- {name: DATABASE_URL_{{ upper . }}, value: {{ include "ticketstream.databaseUrl" (dict "root" $.root "user" (printf "ticketstream_%s" .)) | quote }}}
- name: PGPASSWORD_{{ upper . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}-database-password}}
{{- end }}
{{- if .facts.kafka }}
{{ include "ticketstream.kafka" (dict "root" .root "name" .name "secret" $secret) }}
{{- end }}
{{- if and .facts.kafka (or .facts.signs .facts.replays) $values.schemaRegistry.url }}
- {name: SCHEMA_REGISTRY_URL, value: {{ $values.schemaRegistry.url | quote }}}
{{- end }}
{{- if .facts.signs }}
- {name: TICKETSTREAM_SIGNING_KEY_FILE, value: /etc/ticketstream/keys/signing.pem}
{{- end }}
{{- if .facts.reconciles }}
{{ include "ticketstream.reconciling" .root }}
{{- end }}
{{- range concat (default list .facts.rings) (ternary (default list .facts.bearerRings) list $values.bearerMode) }}
- name: TICKETSTREAM_{{ upper . }}_KEYS
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}-keys}}
{{- end }}
{{- if eq .facts.scales "stage" }}
- {name: TICKETSTREAM_RUN_DIR, value: /run/ticketstream}
{{- end }}
{{ include "ticketstream.particular" . }}
{{- range $name, $value := (index $values.processes .name).settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end -}}

{{/* What a single process has beside what many have. */}}
{{- define "ticketstream.particular" -}}
{{- $values := .root.Values -}}
{{- if eq .name "ingest" }}
- {name: TICKETSTREAM_INGEST_HOST, value: 0.0.0.0}
- {name: TICKETSTREAM_INGEST_PORT, value: {{ .facts.port | quote }}}
{{- with $values.trustedProxies }}
- {name: TICKETSTREAM_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- if has .name (list "ingest" "deliver") }}
- {name: TICKETSTREAM_PUBLIC_URL, value: {{ include "ticketstream.publicUrl" .root | quote }}}
{{- end }}
{{- if has .name (list "enrich" "deliver") }}
- {name: TICKETSTREAM_NOTES_A_DAY, value: {{ $values.notesADay | quote }}}
{{- end }}
{{- if and (eq .name "synthesize") $values.model.enabled }}
- name: OPENROUTER_API_KEY
  valueFrom: {secretKeyRef: {name: {{ include "ticketstream.secretName" . }}, key: openrouter-api-key}}
{{- with $values.model.apiBase }}
- {name: TICKETSTREAM_MODEL_API_BASE, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if eq .name "console" }}
- {name: TICKETSTREAM_CONSOLE_HOST, value: 0.0.0.0}
- {name: TICKETSTREAM_CONSOLE_PORT, value: {{ .facts.port | quote }}}
- {name: TICKETSTREAM_PUBLIC_URL, value: {{ include "ticketstream.publicUrl" .root | quote }}}
- {name: TICKETSTREAM_REPLAY_SIGNING_KEY_FILE, value: /etc/ticketstream/keys/signing.pem}
{{ include "ticketstream.whatIsAsked" .root }}
{{- with $values.trustedProxies }}
- {name: TICKETSTREAM_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- if eq .name "lag" }}
- {name: TICKETSTREAM_LAG_HOST, value: 0.0.0.0}
- {name: TICKETSTREAM_LAG_PORT, value: {{ .facts.port | quote }}}
{{ include "ticketstream.lagsView" .root }}
{{- end }}
{{- end -}}

{{/* What the command `reconcile` needs: the role and the key of the process of that name, from its own Secret. The toolbox is there
before it is. */}}
{{- define "ticketstream.reconciling" -}}
- {name: DATABASE_URL_RECONCILE, value: {{ include "ticketstream.databaseUrl" (dict "root" . "user" "ticketstream_reconcile") | quote }}}
- name: PGPASSWORD_RECONCILE
  valueFrom: {secretKeyRef: {name: {{ include "ticketstream.secretName" (dict "root" . "name" "reconcile") }}, key: database-password, optional: true}}
- {name: TICKETSTREAM_RECONCILE_SIGNING_KEY_FILE, value: /etc/ticketstream/reconcile/signing.pem}
{{- end -}}

{{- define "ticketstream.reconcilingVolume" -}}
- name: reconcile-key
  secret:
    secretName: {{ include "ticketstream.secretName" (dict "root" . "name" "reconcile") }}
    defaultMode: 0440
    optional: true
    items: [{key: signing.pem, path: signing.pem}]
{{- end -}}

{{- define "ticketstream.reconcilingMount" -}}
- {name: reconcile-key, mountPath: /etc/ticketstream/reconcile, readOnly: true}
{{- end -}}

{{/* Whom operators' commands ask how things are. */}}
{{- define "ticketstream.whatIsAsked" -}}
- {name: TICKETSTREAM_LAG_URL, value: {{ include "ticketstream.lagUrl" . | quote }}}
{{- with .Values.prometheusUrl }}
- {name: TICKETSTREAM_PROMETHEUS_URL, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- define "ticketstream.lagUrl" -}}
http://{{ include "ticketstream.processName" (dict "root" . "name" "lag") }}.{{ .Release.Namespace }}.svc:8082
{{- end -}}

{{/* A role's address; its password is beside it, so that any character may be in it: dict root, role, secret, key. */}}
{{- define "ticketstream.database" -}}
- {name: DATABASE_URL_{{ upper .role }}, value: {{ include "ticketstream.databaseUrl" (dict "root" .root "user" (printf "ticketstream_%s" .role)) | quote }}}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ default "database-password" .key }}}}
{{- end -}}

{{/* dict root, user. */}}
{{- define "ticketstream.databaseUrl" -}}
{{- with .root.Values.postgresql -}}
postgresql://{{ $.user }}@{{ .host }}:{{ .port }}/{{ .database }}?sslmode={{ .sslMode }}
{{- if and .ca.secret (hasPrefix "verify" .sslMode) -}}&sslrootcert=/etc/ticketstream/postgresql/ca.crt{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where the brokers are, and the principal: dict root, name, secret. */}}
{{- define "ticketstream.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ $kafka.bootstrapServers | quote }}}
- {name: KAFKA_SECURITY_PROTOCOL, value: {{ $kafka.securityProtocol }}}
{{- if hasPrefix "SASL" $kafka.securityProtocol }}
- {name: KAFKA_SASL_MECHANISM, value: {{ $kafka.sasl.mechanism }}}
- {name: KAFKA_SASL_USERNAME, value: {{ default (print $kafka.sasl.usernamePrefix .name) (index $kafka.sasl.usernames .name) | quote }}}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: kafka-password}}
{{- end }}
{{- if and (hasSuffix "SSL" $kafka.securityProtocol) $kafka.ca.secret }}
- {name: KAFKA_SSL_CA_LOCATION, value: /etc/ticketstream/kafka/ca.crt}
{{- end }}
{{- if $kafka.clientCertificates }}
- {name: KAFKA_SSL_CERTIFICATE_LOCATION, value: /etc/ticketstream/kafka-client/kafka.crt}
- {name: KAFKA_SSL_KEY_LOCATION, value: /etc/ticketstream/kafka-client/kafka.key}
{{- end }}
{{- with .root.Values.topicPrefix }}
- {name: TICKETSTREAM_TOPIC_PREFIX, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* What the lag service knows of the stages: how much one replica works on at once, and that it needn't ask for fewer than there are. */}}
{{- define "ticketstream.lagsView" -}}
{{- $fewest := list -}}
{{- range $name, $facts := include "ticketstream.facts" . | fromYaml -}}
{{- if eq $facts.scales "stage" -}}
{{- $values := index $.Values.processes $name -}}
{{- $fewest = append $fewest (int $values.replicas.min) -}}
{{- with $values.settings.TICKETSTREAM_SLOTS }}
- {name: TICKETSTREAM_SLOTS_{{ upper $name }}, value: {{ . | quote }}}
{{- end }}
{{- end -}}
{{- end }}
- {name: TICKETSTREAM_SCALING_MIN_REPLICAS, value: {{ (include "ticketstream.least" $fewest) | quote }}}
{{- end -}}

{{- define "ticketstream.least" -}}
{{- $least := first . -}}
{{- range . -}}{{- $least = min $least . -}}{{- end -}}
{{- $least -}}
{{- end -}}
