{{/* What the pods need to take over each other's samples; nothing unless peers.enabled. */}}
{{- define "metrics-api.peersName" -}}
{{- include "metrics-api.fullname" . | trunc 57 | trimSuffix "-" }}-peers
{{- end }}

{{- define "metrics-api.peerArguments" -}}
{{- if .Values.peers.enabled }}
- --peer-service={{ include "metrics-api.peersName" . }}.{{ include "metrics-api.namespace" . }}.svc
- --peer-key-file=/var/run/metrics-api/peers/key
{{- end }}
{{- end }}

{{- define "metrics-api.peerVolumeMount" -}}
{{- if .Values.peers.enabled }}
- name: peers
  mountPath: /var/run/metrics-api/peers
  readOnly: true
{{- end }}
{{- end }}

{{- define "metrics-api.peerVolume" -}}
{{- if .Values.peers.enabled }}
{{- $secret := .Values.peers.existingSecret }}
- name: peers
  secret:
    secretName: {{ $secret.name | default (include "metrics-api.peersName" .) }}
    # A replica without the key starts cold, and is there.
    optional: true
    items:
      - {key: {{ $secret.key }}, path: key}
{{- end }}
{{- end }}
