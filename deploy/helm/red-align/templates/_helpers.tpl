{{- define "red.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "red.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "red.labels" -}}
{{ include "red.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "red.image" -}}
{{- $image := index .root.Values.images .name -}}
image: {{ printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end }}

{{- define "red.pod" -}}
automountServiceAccountToken: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .at.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "red.selector" . | nindent 8 }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "red.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- /* Whether Triton is the chart's own: empty where not. */ -}}
{{- define "red.ownTriton" -}}
{{- if and (eq .Values.engine "triton") (not .Values.triton.urls) }}yes{{ end -}}
{{- end }}

{{- /* Every server by its own name: a sequence lives in one of them. */ -}}
{{- define "red.tritons" -}}
{{- $name := include "red.name" . -}}
{{- .Values.triton.urls -}}
{{- if not .Values.triton.urls -}}
{{- range $i := until (int .Values.triton.replicas) -}}
{{- if $i }},{{ end }}{{ printf "%s-triton-%d.%s-triton.%s.svc:8001" $name $i $name $.Release.Namespace -}}
{{- end -}}
{{- end -}}
{{- end }}
