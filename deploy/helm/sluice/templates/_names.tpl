{{/* The name of everything: the release's, with `sluice` in it, unless another one is given. */}}
{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "sluice" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-sluice" (.Release.Name | trunc 33 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "sluice.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sluice.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Not the controller's, or its Service would have the gate's pods. */}}
{{- define "sluice.gate.selectorLabels" -}}
app.kubernetes.io/name: sluice-gate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.gate.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "sluice.gate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sluice.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "sluice.fullname" .) -}}
{{- end -}}

{{- define "sluice.gate.serviceAccountName" -}}
{{- .Values.gate.serviceAccount.name | default (printf "%s-gate" (include "sluice.fullname" .)) -}}
{{- end -}}

{{/* Whether there is a webhook, whose configuration is the cluster's; empty if not. */}}
{{- define "sluice.gate.hasWebhook" -}}
{{- if and .Values.gate.enabled (eq .Values.scope "Cluster") -}}
true
{{- end -}}
{{- end -}}

{{/* Whether the controller keeps the webhook's certificate; empty if not. */}}
{{- define "sluice.gate.keepsCertificate" -}}
{{- $certificate := .Values.gate.certificate -}}
{{- if and (include "sluice.gate.hasWebhook" .) (not (or $certificate.existingSecret $certificate.certManager.enabled)) -}}
true
{{- end -}}
{{- end -}}

{{/* Of another name than cert-manager's: which of the two is changed without a moment in between. */}}
{{- define "sluice.gate.secretName" -}}
{{- $certificate := .Values.gate.certificate -}}
{{- $kind := $certificate.certManager.enabled | ternary "certificate" "tls" -}}
{{- $certificate.existingSecret | default (printf "%s-gate-%s" (include "sluice.fullname" .) $kind) -}}
{{- end -}}

{{/* The namespaces that are worked in, as JSON; all if there are none. */}}
{{- define "sluice.namespaces" -}}
{{- if and (eq .Values.scope "Namespace") (not .Values.watchNamespaces) -}}
{{- list .Release.Namespace | toJson -}}
{{- else -}}
{{- .Values.watchNamespaces | toJson -}}
{{- end -}}
{{- end -}}

{{/* What the release consists of, and only what it has: a name that is free anybody could take. */}}
{{- define "sluice.ownWorkloads" -}}
{{- $name := include "sluice.fullname" . -}}
Deployment/{{ $name }}
{{- if .Values.gate.enabled }},Deployment/{{ $name }}-gate{{ end }}
{{- if include "sluice.upgradesCrds" . }},Job/{{ $name }}-crds{{ end }}
{{- if .Values.hooks.thawOnUninstall }},Job/{{ $name }}-thaw{{ end }}
{{- end -}}

{{/* Whether a Job updates the definitions, which are the cluster's; empty if not. */}}
{{- define "sluice.upgradesCrds" -}}
{{- if and .Values.hooks.upgradeCrds (eq .Values.scope "Cluster") -}}
true
{{- end -}}
{{- end -}}
