{{/* What all pods have. */}}

{{- define "ticketstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "ticketstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where pods run, and from which registry they come. */}}
{{- define "ticketstream.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* dict root, name. */}}
{{- define "ticketstream.spread" -}}
{{- range $key, $zone := dict "topology.kubernetes.io/zone" .root.Values.pods.topologySpread.zones "kubernetes.io/hostname" .root.Values.pods.topologySpread.nodes }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $zone }}
  labelSelector:
    matchLabels: {{- include "ticketstream.selector" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

{{/* A folder for temporary files, and whose word is taken for a server's: dict root, secret, kafka, database. */}}
{{- define "ticketstream.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
{{- with .root.Values.postgresql.ca }}
{{- if and $.database .secret }}
- name: postgresql-ca
  secret: {secretName: {{ .secret }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- with .root.Values.kafka.ca }}
{{- if and $.kafka .secret }}
- name: kafka-ca
  secret: {secretName: {{ .secret }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- if and .kafka .root.Values.kafka.clientCertificates }}
- name: kafka-client
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items: [{key: kafka.crt, path: kafka.crt}, {key: kafka.key, path: kafka.key}]
{{- end }}
{{- end -}}

{{- define "ticketstream.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if and .database .root.Values.postgresql.ca.secret }}
- {name: postgresql-ca, mountPath: /etc/ticketstream/postgresql, readOnly: true}
{{- end }}
{{- if and .kafka .root.Values.kafka.ca.secret }}
- {name: kafka-ca, mountPath: /etc/ticketstream/kafka, readOnly: true}
{{- end }}
{{- if and .kafka .root.Values.kafka.clientCertificates }}
- {name: kafka-client, mountPath: /etc/ticketstream/kafka-client, readOnly: true}
{{- end }}
{{- end -}}
