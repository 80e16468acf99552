{{/* Names. The default is metrics-server, so that an upgrade from its chart keeps every object. */}}
{{- define "metrics-api.name" -}}
{{- default "metrics-server" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "metrics-api.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default "metrics-server" .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "metrics-api.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "metrics-api.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "metrics-api.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "metrics-api.selectorLabels" -}}
app.kubernetes.io/name: {{ include "metrics-api.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "metrics-api.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "metrics-api.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "metrics-api.subjects" -}}
- kind: ServiceAccount
  name: {{ include "metrics-api.serviceAccountName" . }}
  namespace: {{ include "metrics-api.namespace" . }}
{{- end }}

{{- define "metrics-api.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end }}

{{/* The Secret with tls.crt and tls.key; empty when the server signs for itself. */}}
{{- define "metrics-api.tlsSecret" -}}
{{- if eq .Values.tls.type "existingSecret" }}
{{- required "tls.type existingSecret needs tls.existingSecret.name" .Values.tls.existingSecret.name }}
{{- else if ne .Values.tls.type "metrics-server" }}
{{- include "metrics-api.fullname" . }}
{{- end }}
{{- end }}

{{/* The Secret and the Lease that replicas share with verifiedTls; the server derives the same name. */}}
{{- define "metrics-api.servingName" -}}
{{- printf "%s-serving" (include "metrics-api.fullname" .) }}
{{- end }}

{{/* The names that kube-apiserver may verify, as a JSON list: fromJsonArray reads it. */}}
{{- define "metrics-api.dnsNames" -}}
{{- $service := printf "%s.%s" (include "metrics-api.fullname" .) (include "metrics-api.namespace" .) }}
{{- list $service (printf "%s.svc" $service) (printf "%s.svc.%s" $service .Values.tls.clusterDomain) | toJson }}
{{- end }}

{{/* What an APIService says of the serving certificate. Kubernetes refuses caBundle beside insecureSkipTLSVerify. */}}
{{- define "metrics-api.trust" -}}
{{- $given := .Values.apiService.caBundle }}
{{- if .Values.verifiedTls.enabled }}
{{- if or $given (ne .Values.tls.type "metrics-server") }}
{{- fail "verifiedTls makes its own certificates: leave apiService.caBundle empty and tls.type metrics-server" }}
{{- end }}
{{- end }}
{{- if .Values.apiService.insecureSkipTLSVerify }}
{{- if $given }}
{{- fail "apiService.caBundle and apiService.insecureSkipTLSVerify exclude each other: set the latter to false" }}
{{- end }}
insecureSkipTLSVerify: true
{{- else if $given }}
caBundle: {{ if hasPrefix "-----BEGIN" (trim $given) }}{{ b64enc $given }}{{ else }}{{ $given }}{{ end }}
{{- else if and (eq .Values.tls.type "existingSecret") .Values.tls.existingSecret.lookup }}
{{- $secret := lookup "v1" "Secret" (include "metrics-api.namespace" .) (include "metrics-api.tlsSecret" .) }}
{{- $data := dig "data" dict ($secret | default dict) }}
{{- with get $data "ca.crt" | default (get $data "tls.crt") }}
caBundle: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* With verifiedTls the server writes the caBundle: what is in the cluster is rendered again, or nothing is verified yet. */}}
{{- define "metrics-api.verifiedTrust" -}}
{{- $found := lookup "apiregistration.k8s.io/v1" "APIService" "" (printf "%s.metrics.k8s.io" .) | default dict }}
{{- with dig "spec" "caBundle" "" $found }}
caBundle: {{ . }}
{{- else }}
insecureSkipTLSVerify: true
{{- end }}
{{- end }}

{{- define "metrics-api.apiService" -}}
{{- $root := .root -}}
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: {{ .version }}.metrics.k8s.io
  labels:
    {{- include "metrics-api.labels" $root | nindent 4 }}
  {{- $inject := and (eq $root.Values.tls.type "cert-manager") $root.Values.tls.certManager.addInjectorAnnotations (not $root.Values.apiService.insecureSkipTLSVerify) }}
  {{- if or $inject $root.Values.apiService.annotations }}
  annotations:
    {{- if $inject }}
    cert-manager.io/inject-ca-from: {{ include "metrics-api.namespace" $root }}/{{ include "metrics-api.fullname" $root }}
    {{- end }}
    {{- with $root.Values.apiService.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  group: metrics.k8s.io
  version: {{ .version }}
  groupPriorityMinimum: 100
  versionPriority: {{ .priority }}
  service:
    name: {{ include "metrics-api.fullname" $root }}
    namespace: {{ include "metrics-api.namespace" $root }}
    port: {{ $root.Values.service.port }}
  {{- $trust := .trust }}
  {{- if $root.Values.verifiedTls.enabled }}
  {{- $trust = include "metrics-api.verifiedTrust" .version | trim }}
  {{- end }}
  {{- with $trust }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
