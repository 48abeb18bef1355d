{{- define "consumer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "consumer.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "consumer.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "consumer.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "consumer.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "consumer.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "consumer.image" -}}
{{- $repository := required "image.repository is required: where you pushed what deploy/Dockerfile builds" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "consumer.mappingsConfigMap" -}}
{{- if .Values.mappings.existingConfigMap -}}
{{- if .Values.mappings.content -}}
{{- fail "mappings.content and mappings.existingConfigMap are both set; keep one" -}}
{{- end -}}
{{- .Values.mappings.existingConfigMap -}}
{{- else if .Values.mappings.content -}}
{{- printf "%s-mappings" (include "consumer.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "consumer.port" -}}
{{- dig "http" "port" 9464 .Values.settings | int -}}
{{- end -}}

{{- define "consumer.shadow" -}}
{{- if eq (dig "delivery" "mode" "live" .Values.settings) "shadow" -}}true{{- end -}}
{{- end -}}

{{/* The longest a stop may take: the drain, and GRACE_SECONDS of consumer/app.py to commit, leave and close. */}}
{{- define "consumer.gracePeriod" -}}
{{- add (dig "delivery" "drain_timeout_seconds" 20 .Values.settings | ceil | int) 25 -}}
{{- end -}}

{{/* The settings file: the values' and the paths of what is mounted. The rule about secrets is the service's own. */}}
{{- define "consumer.settings" -}}
{{- range $name, $_ := dig "kafka" "properties" dict .Values.settings -}}
{{- $secret := regexMatch "password|secret|key\\.pem|sasl\\.oauthbearer\\.config|token" $name -}}
{{- if and $secret (not (regexMatch "(_file|\\.url|\\.location)$" $name)) -}}
{{- fail (printf "settings.kafka.properties.%s is a secret and would stand in a ConfigMap; give %s_file and mount the file with extraVolumes, or use extraEnv with a secretKeyRef" $name $name) -}}
{{- end -}}
{{- end -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if .Values.webhook.existingSecret -}}
{{- $settings = mergeOverwrite $settings (dict "destination" (dict "webhook_url_file" "/run/secrets/chartmogul/url")) -}}
{{- else if not (include "consumer.shadow" .) -}}
{{- fail "webhook.existingSecret is required: kubectl create secret generic NAME --from-file=url=FILE" -}}
{{- end -}}
{{- if include "consumer.mappingsConfigMap" . -}}
{{- $settings = mergeOverwrite $settings (dict "mappings_file" "/etc/chartmogul-mappings/mappings.yaml") -}}
{{- end -}}
{{- /* "destination" has no default in the settings; a shadow may have none of it. */ -}}
{{- merge $settings (dict "destination" dict) | toYaml -}}
{{- end -}}
