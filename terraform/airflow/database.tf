# Airflow's metadata. What trainings came to is in the platform's own registry.
resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_157:A standby is there for whoever sets database_zones to 2
  #checkov:skip=CKV_AWS_161:Airflow knows passwords; this one is in Secrets Manager alone
  #checkov:skip=CKV_AWS_118:CloudWatch's usual metrics tell enough of a scheduler's database
  #checkov:skip=CKV_AWS_353:CloudWatch's usual metrics tell enough of a scheduler's database
  #checkov:skip=CKV_AWS_354:Performance Insights is not turned on at all
  #checkov:skip=CKV_AWS_293:Protected, unless force_destroy asks for the contrary
  #checkov:skip=CKV2_AWS_30:Its statements are Airflow's own, and would fill the log with heartbeats
  identifier     = local.name
  engine         = "postgres"
  engine_version = "16"
  instance_class = var.database_class
  multi_az       = var.database_zones == 2

  db_name  = "airflow"
  username = "airflow"

  # RDS makes the password, keeps it in Secrets Manager and changes it every week. The health checks
  # in service.tf then fail, and ECS starts a task that has the new one.
  manage_master_user_password = true

  allocated_storage     = 20
  max_allocated_storage = 100
  storage_type          = "gp3"
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.database.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  auto_minor_version_upgrade      = true
  backup_retention_period         = 7
  copy_tags_to_snapshot           = true
  deletion_protection             = !var.force_destroy
  skip_final_snapshot             = var.force_destroy
  final_snapshot_identifier       = "${local.name}-last"
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_db_subnet_group" "this" {
  name       = local.name
  subnet_ids = local.platform.private_subnets
}

resource "aws_db_parameter_group" "this" {
  name   = local.name
  family = "postgres16"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}
