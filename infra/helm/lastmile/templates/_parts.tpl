{{- define "lastmile.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "lastmile.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lastmile.labels" -}}
{{ include "lastmile.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "lastmile.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Every setting that is no secret, one to a line. The migration job runs before the new ConfigMap exists, so it takes them inline. */}}
{{- define "lastmile.settings" -}}
LASTMILE_BASE_DOMAIN: {{ .Values.baseDomain | quote }}
LASTMILE_PUBLIC_URL_SCHEME: {{ .Values.publicUrlScheme | quote }}
{{- with .Values.publicPort }}
LASTMILE_PUBLIC_PORT: {{ . | quote }}
{{- end }}
LASTMILE_LISTEN: 0.0.0.0:8080
LASTMILE_METRICS_LISTEN: 0.0.0.0:9464
LASTMILE_DATABASE__URL_FILE: /run/lastmile/secrets/database-url
LASTMILE_DATABASE__SHARD_CONNECTIONS: {{ .Values.database.shardConnections | quote }}
LASTMILE_SECRETS__KIND: {{ .Values.secrets.kind | quote }}
{{- if eq .Values.secrets.kind "aws" }}
LASTMILE_SECRETS__PREFIX: {{ .Values.secrets.aws.prefix | quote }}
{{- with .Values.secrets.aws.region }}
LASTMILE_SECRETS__REGION: {{ . | quote }}
{{- end }}
{{- with .Values.secrets.aws.endpoint }}
LASTMILE_SECRETS__ENDPOINT: {{ . | quote }}
{{- end }}
{{- else }}
LASTMILE_SECRETS__ADDRESS: {{ .Values.secrets.vault.address | quote }}
LASTMILE_SECRETS__MOUNT: {{ .Values.secrets.vault.mount | quote }}
LASTMILE_SECRETS__PREFIX: {{ .Values.secrets.vault.prefix | quote }}
LASTMILE_SECRETS__TOKEN_FILE: /run/lastmile/secrets/vault-token
{{- end }}
LASTMILE_TRUSTED_PROXIES: {{ .Values.trustedProxies | toJson | quote }}
LASTMILE_LOG__FORMAT: json
LASTMILE_LOG__LEVEL: {{ .Values.log.level | quote }}
{{- with .Values.otlp.endpoint }}
LASTMILE_OTLP__ENDPOINT: {{ . | quote }}
LASTMILE_OTLP__SAMPLE: {{ $.Values.otlp.sample | quote }}
{{- end }}
LASTMILE_MAIL__KIND: smtp
LASTMILE_MAIL__FROM: {{ .Values.mail.from | quote }}
LASTMILE_MAIL__URL_FILE: /run/lastmile/secrets/mail-url
LASTMILE_POOL__WARM_SCHEMAS: {{ .Values.poolWarmSchemas | quote }}
LASTMILE_SHUTDOWN_GRACE_MS: {{ .Values.shutdownGraceMs | int | quote }}
{{- range $name, $value := .Values.extraSettings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "lastmile.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lastmile.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "lastmile.mounts" -}}
- {name: secrets, mountPath: /run/lastmile/secrets, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "lastmile.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
- name: secrets
  projected:
    # 0440: the group is fsGroup, so the program reads them and nobody else does.
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.database.existingSecret }}
          items: [{key: {{ .Values.database.key }}, path: database-url}]
      - secret:
          name: {{ .Values.mail.existingSecret }}
          items: [{key: {{ .Values.mail.key }}, path: mail-url}]
      {{- if eq .Values.secrets.kind "vault" }}
      - secret:
          name: {{ .Values.secrets.vault.existingSecret }}
          items: [{key: {{ .Values.secrets.vault.key }}, path: vault-token}]
      {{- end }}
{{- end }}

{{/* One deployment for one role; the two differ in name, size and who is sent to them. */}}
{{- define "lastmile.deployment" -}}
{{- $root := .root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "lastmile.name" $root }}-{{ .role }}
  labels:
    {{- include "lastmile.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "lastmile.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels:
        {{- include "lastmile.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
      annotations:
        # A changed setting rolls the pods.
        checksum/settings: {{ include "lastmile.settings" $root | sha256sum }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "lastmile.name" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{ toYaml . | nindent 8 }}
      {{- end }}
      # The preStop pause, the drain, and some to spare.
      terminationGracePeriodSeconds: {{ add 15 (div (int $root.Values.shutdownGraceMs) 1000) }}
      securityContext: {{ include "lastmile.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.affinity }}
      affinity: {{ toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "lastmile.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ .role }}
      containers:
        - name: lastmile
          image: {{ include "lastmile.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [serve, --role, {{ .role }}]
          envFrom:
            - configMapRef: {name: {{ include "lastmile.name" $root }}}
          ports:
            - {name: http, containerPort: 8080}
            - {name: metrics, containerPort: 9464}
          # Migrations of a first start may take their time; /readyz answers 503 until they are done.
          startupProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 2
            failureThreshold: 450
          livenessProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 10
            timeoutSeconds: 3
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          lifecycle:
            # Balancers need a moment to hear that this pod is leaving; only then does SIGTERM begin the drain.
            preStop:
              sleep: {seconds: 5}
          securityContext: {{ include "lastmile.containerSecurity" $root | nindent 12 }}
          resources: {{ toYaml .values.resources | nindent 12 }}
          volumeMounts: {{ include "lastmile.mounts" $root | nindent 12 }}
      volumes: {{ include "lastmile.volumes" $root | nindent 8 }}
{{- end }}
