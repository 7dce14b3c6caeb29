{{/* Not those of a process, or its Service and NetworkPolicy would have the pods of Jobs. */}}
{{- define "sluice.hook.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/name: sluice-hook
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What lifts everything of this release, as JSON: the arguments of `sluice`. */}}
{{- define "sluice.thaw" -}}
{{- $args := list "thaw" "--all" "--uninstall" (printf "--system-namespace=%s" .Release.Namespace) -}}
{{- if eq .Values.scope "Namespace" }}
{{- $args = append $args "--scope=namespace" }}
{{- end }}
{{- with include "sluice.namespaces" . | fromJsonArray }}
{{- $args = append $args (printf "--watch-namespaces=%s" (join "," .)) }}
{{- end }}
{{- toJson $args }}
{{- end -}}

{{/* A Job that runs one command of `sluice` before something of Helm's. One that fails stays. */}}
{{- define "sluice.hook.job" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "sluice.hook.labels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .on }}
    helm.sh/hook-weight: "0"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ $root.Values.hooks.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: sluice-hook
        app.kubernetes.io/instance: {{ $root.Release.Name }}
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ .account }}
      restartPolicy: Never
      {{- include "sluice.pod" $root | nindent 6 }}
      containers:
      - name: hook
        {{- include "sluice.container" $root | nindent 8 }}
        args: {{ toJson .args }}
        {{- with $root.Values.hooks.resources }}
        resources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
{{- end -}}

{{/* What a Job's rights are, there before it. */}}
{{- define "sluice.crds.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: "-10"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
