variable "platform" {
  description = "The name of the platform that the model was trained on, and is served on."
  type        = string
  default     = "trainshed"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.platform))
    error_message = "The platform's name has 3 to 20 lower-case letters, digits and hyphens."
  }
}

variable "model_id" {
  description = "The model to serve. It must be Completed."
  type        = string
  default     = null

  validation {
    condition     = (var.model_id == null) != (var.model_key == null)
    error_message = "Give either model_id, or model_key with artifact_digest."
  }
}

variable "model_key" {
  description = "Instead of model_id: an artifact's prefix in the artifact bucket, such as models/<modelId>/1."
  type        = string
  default     = null

  validation {
    condition     = var.model_key == null || can(regex("^models(/[A-Za-z0-9._-]+)+$", var.model_key))
    error_message = "model_key must be a prefix below models/, without a slash at its end."
  }
}

variable "artifact_digest" {
  description = "With model_key: the SHA-256 of the artifact's manifest.json, in hex. Nothing else is served."
  type        = string
  default     = null

  validation {
    condition     = (var.artifact_digest == null) == (var.model_key == null)
    error_message = "artifact_digest goes with model_key, and model_key needs it; with model_id it is read from the record."
  }

  validation {
    condition     = var.artifact_digest == null || can(regex("^[0-9a-f]{64}$", var.artifact_digest))
    error_message = "artifact_digest must be a SHA-256 in hex."
  }
}

variable "served_as" {
  description = "If given, this stack says under this name what it serves: the DAG of terraform/airflow compares a new model of that name with it. One stack can have a name."
  type        = string
  default     = null

  validation {
    condition     = var.served_as == null || can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.served_as))
    error_message = "served_as must be a model's name: 1 to 63 lower-case letters, digits and hyphens."
  }
}

variable "image_tag" {
  description = "The tag of the serving image."
  type        = string
  default     = "0.1.0"
}

variable "cpu" {
  description = "Of one server, in ECS's units: 1024 is one processor."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "Of one server, in MiB."
  type        = number
  default     = 2048
}

variable "workers" {
  description = "Worker processes per server."
  type        = number
  default     = 1
}

variable "min_servers" {
  description = "The fewest servers."
  type        = number
  default     = 1
}

variable "max_servers" {
  description = "The most servers."
  type        = number
  default     = 3

  validation {
    condition     = var.max_servers >= var.min_servers
    error_message = "max_servers cannot be below min_servers."
  }
}

variable "requests_per_minute" {
  description = "More servers are started when each one gets more requests a minute than this."
  type        = number
  default     = 1000
}

variable "public" {
  description = "Whether the model is served to the internet, and not just inside of the platform's network."
  type        = bool
  default     = false

  validation {
    condition     = !var.public || nonsensitive(var.api_key != null) || var.certificate_arn != null
    error_message = "A model is public only with an api_key or a certificate_arn."
  }
}

variable "api_key" {
  description = "If given, only requests with this in their header X-Api-Key are answered. The servers get its hash, and nothing else does."
  type        = string
  default     = null
  sensitive   = true

  validation {
    # Long enough that nobody finds it by its hash, and nothing that a header could change.
    condition     = var.api_key == null || can(regex("^[!-~]{24,256}$", var.api_key))
    error_message = "api_key must have 24 to 256 letters, digits and signs of ASCII, without spaces."
  }
}

variable "certificate_arn" {
  description = "An ACM certificate; with it the model is served over HTTPS."
  type        = string
  default     = null
}

variable "allowed_cidrs" {
  description = "Who may connect; if not given, the platform's network, or everybody where the model is public."
  type        = list(string)
  default     = null
}
