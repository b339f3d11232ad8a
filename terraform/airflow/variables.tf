variable "platform" {
  description = "The name of the platform that Airflow trains on."
  type        = string
  default     = "trainshed"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.platform))
    error_message = "The platform's name has 3 to 20 lower-case letters, digits and hyphens."
  }
}

variable "secret_arn" {
  description = "A secret in Secrets Manager: JSON with admin_password, api_secret, fernet_key and jwt_secret. docs/airflow.md has the command that makes one; so Terraform and its state never see it."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.secret_arn))
    error_message = "secret_arn must be the ARN of a secret."
  }
}

variable "image_tag" {
  description = "The tag of Airflow's image."
  type        = string
  default     = "0.1.0"
}

variable "cpu" {
  description = "Of Airflow's task, in ECS's units: 1024 is one processor."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "Of Airflow's task, in MiB."
  type        = number
  default     = 4096
}

variable "certificate_arn" {
  description = "An ACM certificate; with it Airflow answers over HTTPS."
  type        = string
  default     = null
}

variable "allowed_cidrs" {
  description = "Who may connect; if not given, the platform's network."
  type        = list(string)
  default     = null
}

variable "database_class" {
  description = "The class of the database's instance."
  type        = string
  default     = "db.t4g.micro"
}

variable "database_zones" {
  description = "Whether the database has a standby in another zone."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.database_zones)
    error_message = "The database is in 1 zone or in 2."
  }
}

variable "force_destroy" {
  description = "Whether terraform destroy may delete the database without a last snapshot."
  type        = bool
  default     = false
}
